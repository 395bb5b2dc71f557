//! The user's own files, and the project's settings, watched: themes, keymaps and settings are read again when they are saved.
//!
//! Folders are watched, not files, because editors put a new file in the old one's place. What changed is remembered in three
//! bits that never grow, however much happens; when nothing more has happened for a moment, it is told once. What is not
//! there at the start (no configuration folder at all) is not waited for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, mpsc};

use super::{Shared, known};
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::config::{Settings, ThemeChoice};
use crate::{keymap, theme};

/// An editor's several steps of one save lie closer together than this.
const QUIET: Duration = Duration::from_millis(200);
/// So many times the quiet is waited for; then what is there is told all the same.
const ROUNDS: usize = 10;

const THEMES: u8 = 1;
const KEYMAPS: u8 = 2;
const SETTINGS: u8 = 4;

/// Whether an event can mean that something is otherwise than before. Who looks at a file opens it, and is told of that
/// himself: without this he would look for ever. Closing what was written ends the lock of a run.
pub(super) fn may_change(event: &notify::Event) -> bool {
    let closed_after_writing = EventKind::Access(AccessKind::Close(AccessMode::Write));
    !event.kind.is_access() || event.kind == closed_after_writing
}

/// What the settings' file said of theme and keymap.
pub(super) type Looks = (Option<ThemeChoice>, Option<String>);

/// What has changed and was not told yet.
#[derive(Default)]
struct Changed {
    bits: AtomicU8,
    wake: Notify,
}

/// The folders that files are read from.
#[derive(Debug, Clone, Default)]
pub(super) struct Roots {
    /// Of the user: settings, themes, keymaps.
    user: Option<PathBuf>,
    /// Of the project: settings, which go over the user's.
    project: Option<PathBuf>,
}

impl Roots {
    pub(super) fn of(user: Option<PathBuf>, project: Option<PathBuf>) -> Self {
        Self { user, project }
    }

    /// Folders there may be, the user's first.
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.user.iter().chain(&self.project)
    }

    /// A folder of the user's.
    fn own(&self, name: &str) -> Option<PathBuf> {
        Some(self.user.as_ref()?.join(name))
    }

    /// Which of the things that are watched a path belongs to.
    fn bits_of(&self, path: &Path) -> u8 {
        let user = self.user.as_ref().map_or(0, |root| bits_of(root, path));
        // Beside the project's settings lies its store, where much happens.
        let project = self.project.as_ref();
        let settings = project.map_or(0, |root| bits_of(root, path) & SETTINGS);
        user | settings
    }
}

/// Which of the things that are watched below a root a path belongs to.
fn bits_of(root: &Path, path: &Path) -> u8 {
    let Ok(below) = path.strip_prefix(root) else {
        return 0;
    };
    let is_toml = path.extension().is_some_and(|ending| ending == "toml");
    let mut parts = below.iter();
    match (parts.next().and_then(|part| part.to_str()), parts.next()) {
        (Some("config.toml"), None) => SETTINGS,
        // The folder itself came or went.
        (Some("themes"), None) => THEMES,
        (Some("keymaps"), None) => KEYMAPS,
        (Some("themes"), Some(_)) if is_toml => THEMES,
        (Some("keymaps"), Some(_)) if is_toml => KEYMAPS,
        _ => 0,
    }
}

/// Watch until nobody takes news any more.
pub(super) async fn watch(roots: Roots, mut last: Looks, news: mpsc::Sender<News>) {
    let Some(mut watch) = Watch::begin(&roots) else {
        return;
    };
    loop {
        let changed = tokio::select! {
            changed = watch.next() => changed,
            () = news.closed() => return,
        };
        if changed & SETTINGS != 0 && settings(&roots, &mut last, &news).await.is_err() {
            return;
        }
        let (themes, keymaps) = (roots.own("themes"), roots.own("keymaps"));
        let themes = (changed & THEMES != 0).then(|| theme::names(themes.as_deref()));
        let keymaps = (changed & KEYMAPS != 0).then(|| keymap::names(keymaps.as_deref()));
        if themes.is_some() || keymaps.is_some() {
            let files = News::Files { themes, keymaps };
            if news.send(files).await.is_err() {
                return;
            }
        }
    }
}

/// What of the settings matters while the program runs; the rest holds from the next start.
async fn settings(
    roots: &Roots,
    last: &mut Looks,
    news: &mpsc::Sender<News>,
) -> Result<(), mpsc::error::SendError<News>> {
    let mut settings = Settings::default();
    let mut warnings = Vec::new();
    for root in roots.all() {
        let file = root.join("config.toml");
        if let Ok(text) = std::fs::read_to_string(&file) {
            settings.overlay(&text, &file, &mut warnings);
        }
    }
    for warning in &warnings {
        let (weight, text) = (Weight::Warning, warning.to_string());
        news.send(News::Message { weight, text }).await?;
    }
    // A mistake may have cost just these: what was said before still holds.
    if !warnings.is_empty() {
        return Ok(());
    }
    let now = (settings.theme, settings.keymap);
    let theme = now.0.clone().filter(|_| now.0 != last.0);
    let keymap = now.1.clone().filter(|_| now.1 != last.1);
    *last = now;
    if theme.is_some() || keymap.is_some() {
        news.send(News::Settings { theme, keymap }).await?;
    }
    Ok(())
}

/// The keymap in use, read again. Where it cannot be read the old one stays, and why is told.
pub(super) async fn keymap_again(shared: Arc<Shared>, name: String) {
    let again = keymap::reload(&name, shared.folders.keymaps.as_deref(), &known());
    match again {
        Ok((keymap, warnings)) => {
            let news = News::Keymap {
                name,
                keymap: Box::new(keymap),
                warnings: warnings.iter().map(ToString::to_string).collect(),
            };
            let _ = shared.news.send(news).await;
        }
        Err(warnings) => {
            for warning in warnings {
                shared.say(Weight::Warning, warning.to_string()).await;
            }
        }
    }
}

/// The folders that there are, watched.
struct Watch {
    roots: Roots,
    watcher: RecommendedWatcher,
    changed: Arc<Changed>,
}

impl Watch {
    fn begin(roots: &Roots) -> Option<Self> {
        let changed = Arc::new(Changed::default());
        let (told, known) = (Arc::clone(&changed), roots.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let bits = match event {
                Ok(event) if !may_change(&event) => 0,
                Ok(event) => event
                    .paths
                    .iter()
                    .fold(0, |bits, path| bits | known.bits_of(path)),
                // Something was missed: everything is looked at.
                Err(_) => THEMES | KEYMAPS | SETTINGS,
            };
            if bits != 0 {
                told.bits.fetch_or(bits, Ordering::SeqCst);
                told.wake.notify_one();
            }
        });
        let mut watch = Self {
            roots: roots.clone(),
            watcher: watcher.ok()?,
            changed,
        };
        // Both are tried: one may be there without the other.
        let added: Vec<bool> = roots.all().map(|root| watch.add(root)).collect();
        added
            .contains(&true)
            .then(|| watch.add_all())
            .map(|()| watch)
    }

    fn add(&mut self, folder: &Path) -> bool {
        let added = self.watcher.watch(folder, RecursiveMode::NonRecursive);
        added.is_ok()
    }

    /// The folders below, which may come later than the program. To watch one again is to watch it once.
    fn add_all(&mut self) {
        for name in ["themes", "keymaps"] {
            let folder = self.roots.own(name);
            if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
                self.add(&folder);
            }
        }
    }

    /// What changed, when it is quiet again.
    async fn next(&mut self) -> u8 {
        self.changed.wake.notified().await;
        for _ in 0..ROUNDS {
            let more = tokio::time::timeout(QUIET, self.changed.wake.notified()).await;
            if more.is_err() {
                break;
            }
        }
        self.add_all();
        self.changed.bits.swap(0, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long past anything but a watcher that does not watch.
    const NEVER: Duration = Duration::from_secs(60);

    fn of_user(folder: &Path) -> Roots {
        Roots::of(Some(folder.to_owned()), None)
    }

    async fn next(watch: &mut Watch) -> u8 {
        tokio::time::timeout(NEVER, watch.next()).await.unwrap()
    }

    #[test]
    fn only_what_is_read_wakes() {
        let root = Path::new("/c/spotter");
        for (path, bits) in [
            ("config.toml", SETTINGS),
            ("themes/mine.toml", THEMES),
            ("keymaps/mine.toml", KEYMAPS),
            ("keymaps", KEYMAPS),
            ("themes/.mine.toml.swp", 0),
            ("themes/4913", 0),
            ("config.toml~", 0),
            ("other/config.toml", 0),
        ] {
            assert_eq!(bits_of(root, &root.join(path)), bits, "{path}");
        }
        assert_eq!(bits_of(root, Path::new("/c/config.toml")), 0);
    }

    #[tokio::test]
    async fn a_file_that_is_written_or_put_in_anothers_place_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let themes = folder.path().join("themes");
        std::fs::create_dir(&themes).unwrap();
        let mut watch = Watch::begin(&of_user(folder.path())).unwrap();
        for _ in 0..50 {
            std::fs::write(themes.join("mine.toml"), "light = true\n").unwrap();
        }
        assert_eq!(next(&mut watch).await, THEMES);
        std::fs::write(themes.join("mine.tmp"), "light = false\n").unwrap();
        std::fs::rename(themes.join("mine.tmp"), themes.join("mine.toml")).unwrap();
        std::fs::write(folder.path().join("config.toml"), "").unwrap();
        assert_eq!(next(&mut watch).await, THEMES | SETTINGS);
        assert_eq!(watch.changed.bits.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_folder_that_comes_later_is_watched_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::begin(&of_user(folder.path())).unwrap();
        let keymaps = folder.path().join("keymaps");
        std::fs::create_dir(&keymaps).unwrap();
        assert_eq!(next(&mut watch).await, KEYMAPS);
        std::fs::write(keymaps.join("mine.toml"), "").unwrap();
        assert_eq!(next(&mut watch).await, KEYMAPS);
        assert!(Watch::begin(&of_user(&folder.path().join("nowhere"))).is_none());
    }

    #[tokio::test]
    async fn settings_tell_what_they_say_anew_and_mistakes_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let (sender, mut news) = mpsc::channel(8);
        let mut last = (Some(ThemeChoice::Always("mono".into())), None);
        std::fs::write(&file, "theme = \"mono\"\njobs = 3\n").unwrap();
        settings(&of_user(folder.path()), &mut last, &sender)
            .await
            .unwrap();
        assert!(news.try_recv().is_err());
        std::fs::write(&file, "theme = { drak = \"mono\" }\n").unwrap();
        settings(&of_user(folder.path()), &mut last, &sender)
            .await
            .unwrap();
        match news.try_recv() {
            Ok(News::Message { text, .. }) => {
                assert!(text.contains("config.toml:1:9: `theme`"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(news.try_recv().is_err());
        std::fs::write(&file, "theme = \"gruvbox-dark\"\nkeymap = \"emacs\"\n").unwrap();
        settings(&of_user(folder.path()), &mut last, &sender)
            .await
            .unwrap();
        match news.try_recv() {
            Ok(News::Settings { theme, keymap }) => {
                assert_eq!(theme, Some(ThemeChoice::Always("gruvbox-dark".into())));
                assert_eq!(keymap.as_deref(), Some("emacs"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_projects_settings_are_watched_and_go_over_the_users() {
        let (user, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let roots = Roots::of(
            Some(user.path().to_owned()),
            Some(project.path().to_owned()),
        );
        let mut watch = Watch::begin(&roots).unwrap();
        let write = |folder: &tempfile::TempDir, text: &str| {
            std::fs::write(folder.path().join("config.toml"), text).unwrap();
        };
        // The store beside them is none of it.
        std::fs::write(project.path().join("index.sqlite"), "").unwrap();
        std::fs::create_dir(project.path().join("themes")).unwrap();
        write(&project, "theme = \"mono\"\n");
        assert_eq!(next(&mut watch).await, SETTINGS);
        let (sender, mut news) = mpsc::channel(8);
        let mut last = (None, None);
        settings(&roots, &mut last, &sender).await.unwrap();
        let Ok(News::Settings { theme, .. }) = news.try_recv() else {
            panic!("the project's theme is not told");
        };
        assert_eq!(theme, Some(ThemeChoice::Always("mono".into())));
        write(&user, "theme = \"gruvbox-dark\"\nkeymap = \"emacs\"\n");
        assert_eq!(next(&mut watch).await, SETTINGS);
        settings(&roots, &mut last, &sender).await.unwrap();
        let Ok(News::Settings { theme, keymap }) = news.try_recv() else {
            panic!("the user's keymap is not told");
        };
        assert_eq!((theme, keymap.as_deref()), (None, Some("emacs")));
        // A project alone is watched, too.
        let nowhere = user.path().join("nowhere");
        let roots = Roots::of(Some(nowhere), Some(project.path().to_owned()));
        assert!(Watch::begin(&roots).is_some());
    }
}
