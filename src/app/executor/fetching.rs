//! What is fetched on the way (tasks, weights, images): each large file once as a message, how far all of them are for the
//! engines view, and a hub that did not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::Shared;
use crate::app::engines::Coming;
use crate::app::messages::Weight;
use crate::app::words;
use crate::batch::supply::{Fetching, Telling};
use crate::hub::News;
use crate::text::safe::one_line;

/// Files smaller than this are here before their message could be read.
const WORTH_A_WORD: u64 = 8 << 20;

/// Files that come now: bytes that are here, and in all.
#[derive(Debug, Default)]
pub(super) struct Files(Mutex<BTreeMap<String, (u64, Option<u64>)>>);

impl Files {
    pub(super) fn now(&self) -> Vec<Coming> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let coming = files.iter().map(|(file, (done, total))| Coming {
            file: file.clone(),
            done: *done,
            total: *total,
        });
        coming.collect()
    }

    fn take(&self, file: &str, done: u64, total: Option<u64>) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if total == Some(done) {
            files.remove(file);
        } else {
            files.insert(file.to_owned(), (done, total));
        }
    }

    fn forget(&self, gone: &BTreeSet<String>) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file, _| !gone.contains(file));
    }
}

/// Says what it hears of as messages, and keeps how far it is.
pub(super) fn telling(shared: &Arc<Shared>) -> Telling {
    let shared = Arc::clone(shared);
    // Files that were heard of, and messages.
    let heard: Mutex<(BTreeSet<String>, BTreeSet<String>)> = Mutex::default();
    Arc::new(move |fetching| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (files, told) = &mut *heard;
        let mut take = |file: &str, done, total| {
            shared.coming.take(file, done, total);
            if !files.contains(file) {
                files.insert(file.to_owned());
            }
        };
        match fetching {
            Fetching::File(News::Coming { file, done, total }) => take(file, done, total),
            Fetching::File(News::Cached { .. }) => {}
            Fetching::Layer {
                image,
                layer,
                done,
                total,
            } => take(&format!("{image} {layer}"), done, Some(total)),
            // Nothing comes any more, also where it came to nothing.
            Fetching::Over => shared.coming.forget(&std::mem::take(files)),
        }
        if let Some((weight, text)) = said(fetching).filter(|(_, text)| told.insert(text.clone())) {
            // Whoever fetches must not wait for a screen.
            let shared = Arc::clone(&shared);
            let runtime = tokio::runtime::Handle::try_current();
            let _ = runtime.map(|runtime| {
                runtime.spawn(async move { shared.say(weight, text).await });
            });
        }
    })
}

/// The message, if it is worth one. It is the same for the same file, and for all layers of an image.
fn said(fetching: Fetching<'_>) -> Option<(Weight, String)> {
    match fetching {
        Fetching::File(News::Coming { file, total, .. }) => {
            let size = match total {
                Some(total) if total < WORTH_A_WORD => return None,
                Some(total) => format!(" ({})", words::bytes(total)),
                None => String::new(),
            };
            let text = format!("downloading {}{size}", one_line(file));
            Some((Weight::Info, text))
        }
        Fetching::File(News::Cached { repo, why }) => {
            let text = one_line(&format!("{repo} as the cache has it: {why}"));
            Some((Weight::Warning, text))
        }
        Fetching::Layer { image, .. } => {
            let text = format!("pulling {}", one_line(image));
            Some((Weight::Info, text))
        }
        Fetching::Over => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Repo;

    #[test]
    fn a_large_file_is_told_once_however_far_it_is_and_a_small_one_is_not() {
        let coming = |done, total| {
            Fetching::File(News::Coming {
                file: "model.safetensors",
                done,
                total,
            })
        };
        let text = "downloading model.safetensors (1.1 GB)".to_owned();
        for done in [0, 5, 1 << 29] {
            let told = said(coming(done, Some(1 << 30)));
            assert_eq!(told, Some((Weight::Info, text.clone())));
        }
        assert_eq!(said(coming(0, Some(700))), None);
        let unknown = "downloading model.safetensors".to_owned();
        assert_eq!(said(coming(0, None)), Some((Weight::Info, unknown)));
        let repo = Repo::model("o/n");
        let cached = Fetching::File(News::Cached {
            repo: &repo,
            why: "the hub answered 429",
        });
        let text = "model o/n as the cache has it: the hub answered 429".to_owned();
        assert_eq!(said(cached), Some((Weight::Warning, text)));
    }

    #[test]
    fn what_is_here_or_given_up_does_not_come_any_more() {
        let files = Files::default();
        files.take("a", 1, Some(3));
        files.take("b", 2, None);
        files.take("c", 3, Some(9));
        files.take("a", 3, Some(3));
        let coming = |file: &str, done, total| Coming {
            file: file.to_owned(),
            done,
            total,
        };
        assert_eq!(files.now(), [coming("b", 2, None), coming("c", 3, Some(9))]);
        files.forget(&BTreeSet::from(["b".to_owned()]));
        assert_eq!(files.now(), [coming("c", 3, Some(9))]);
    }
}
