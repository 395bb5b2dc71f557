//! Effects carried out: each is a task of its own, answered with news on one bounded channel.
//!
//! A full channel holds the tasks up, never the screen: the state drains it in slices. What reads disks or compares texts
//! runs on blocking threads. Runs of this process and of others are treated alike: their records are read from the file
//! that the rollout writes before anything else happens, and operations go through its socket.

mod control;
mod engines;
mod fetching;
mod follow;
mod library;
mod serving;
mod start;
mod stored;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::effect::Effect;
use super::messages::Weight;
use super::news::News;
use super::session::Session;
use crate::batch::{Floor, supply};
use crate::config::Settings;
use crate::trajectory::Store;

/// News that may wait; whoever sends more waits.
pub const WAITING: usize = 256;

/// See the module.
pub struct Executor {
    shared: Arc<Shared>,
    floor: Arc<Floor>,
    open: HashMap<String, CancellationToken>,
    lines: HashMap<String, mpsc::Sender<crate::rollout::Op>>,
    /// Ends what is served.
    serving: Option<CancellationToken>,
    runtime: tokio::runtime::Handle,
}

/// What the tasks share.
struct Shared {
    store: Store,
    settings: Settings,
    news: mpsc::Sender<News>,
    folders: Folders,
    shelf: library::Shelf,
    coming: fetching::Files,
    /// Cancelled when the program goes.
    going: CancellationToken,
}

/// Where the user's own files lie.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// The one of `config.toml`, `themes/` and `keymaps/`; they are watched.
    pub config: Option<PathBuf>,
    /// The project's `.spotter`; its `config.toml` is watched.
    pub project: Option<PathBuf>,
    /// `keymaps/` of the user.
    pub keymaps: Option<PathBuf>,
    /// The session file.
    pub session: Option<PathBuf>,
}

impl Shared {
    async fn say(&self, weight: Weight, text: impl Into<String>) {
        let text = text.into();
        let _ = self.news.send(News::Message { weight, text }).await;
    }
}

impl Executor {
    /// Carry effects out on this runtime, for this store.
    #[must_use]
    pub fn new(
        store: Store,
        settings: Settings,
        folders: Folders,
        news: mpsc::Sender<News>,
    ) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let places = settings.jobs.unwrap_or(2).max(1);
        let (sender, mut receiver) = mpsc::channel(crate::batch::WAITING_NEWS);
        let floor = Arc::new(Floor::new(places, sender));
        let shared = Arc::new(Shared {
            store,
            settings,
            news,
            folders,
            shelf: library::Shelf::default(),
            coming: fetching::Files::default(),
            going: CancellationToken::new(),
        });
        let (config, project) = (&shared.folders.config, &shared.folders.project);
        let roots = watch::Roots::of(config.clone(), project.clone());
        let watched = (
            shared.settings.theme.clone(),
            shared.settings.keymap.clone(),
        );
        runtime.spawn(watch::watch(roots, watched, shared.news.clone()));
        let told = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Some(news) = receiver.recv().await {
                start::on_the_floor(&told, news).await;
            }
        });
        Self {
            shared,
            floor,
            open: HashMap::new(),
            lines: HashMap::new(),
            serving: None,
            runtime,
        }
    }

    /// Let go of everything that runs here; it can be resumed.
    pub fn abandon(&self) {
        self.shared.going.cancel();
        self.floor.abandon();
    }

    /// Runs of this process that are under way or wait.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        self.floor.count()
    }

    /// Carry an effect out. Returns at once.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each effect, each of them small"
    )]
    pub fn carry_out(&mut self, effect: Effect) {
        let shared = Arc::clone(&self.shared);
        match effect {
            Effect::LoadTasks { request, source } => {
                self.runtime.spawn(async move {
                    let loaded = supply::load(&source, &fetching::telling(&shared)).await;
                    let result = match loaded {
                        Ok((tasks, warnings)) => {
                            if let Some(first) = warnings.first() {
                                let more = warnings.len() - 1;
                                let text = if more > 0 {
                                    format!("{first} (and {more} more rows)")
                                } else {
                                    first.clone()
                                };
                                shared.say(Weight::Warning, text).await;
                            }
                            Ok(tasks)
                        }
                        Err(error) => Err(error.to_string()),
                    };
                    let _ = shared
                        .news
                        .send(News::Tasks {
                            request,
                            source,
                            result,
                        })
                        .await;
                });
            }
            Effect::LoadLibrary => {
                self.runtime.spawn(library::load(shared));
            }
            Effect::LookAtEngines => {
                self.runtime.spawn(engines::look(shared));
            }
            Effect::Serve { model } => {
                // A second one would have to be told apart from the first everywhere.
                self.end_serving();
                let stop = self.shared.going.child_token();
                self.serving = Some(stop.clone());
                self.runtime.spawn(serving::serve(shared, model, stop));
            }
            Effect::EndServing => self.end_serving(),
            Effect::Open { id, generation } => {
                let token = CancellationToken::new();
                if let Some(old) = self.open.insert(id.clone(), token.clone()) {
                    old.cancel();
                }
                self.runtime
                    .spawn(follow::follow(shared, id, generation, token));
            }
            Effect::Close { id } => {
                if let Some(token) = self.open.remove(&id) {
                    token.cancel();
                }
            }
            Effect::Start(form) => {
                if let Ok(jobs) = form.value("jobs").parse() {
                    self.floor.set_places(jobs);
                }
                self.add(async move { start::order(&shared, &form).await });
            }
            Effect::Demo => self.add(async move { start::demo(&shared).await }),
            Effect::Resume { id } => self.add(async move { start::resume(&shared, &id).await }),
            Effect::Branch { id, step, say } => {
                self.add(async move { start::branch(&shared, &id, step, say).await });
            }
            Effect::Reexecute { id } => {
                self.add(async move { start::reexecute(&shared, &id).await });
            }
            Effect::Control { id, op } => {
                let line = self.lines.entry(id.clone());
                let line = line.or_insert_with(|| control::line(&self.runtime, shared, id));
                if line.try_send(op).is_err() {
                    // Nobody types that fast; a program that pastes does.
                    self.lines.retain(|_, line| !line.is_closed());
                }
            }
            Effect::Diff {
                id,
                request,
                from,
                to,
                snapshots,
            } => {
                self.runtime
                    .spawn(stored::diff(shared, id, request, (from, to), *snapshots));
            }
            Effect::Fences { task } => {
                self.runtime.spawn(stored::fences(shared, task));
            }
            Effect::Log { id, file } => {
                self.runtime.spawn(stored::log(shared, id, file));
            }
            Effect::Test { id, step } => {
                self.runtime.spawn(stored::test(shared, id, step));
            }
            Effect::Check { source, task } => {
                self.runtime.spawn(stored::check(shared, source, task));
            }
            Effect::Keymap { name } => {
                self.runtime.spawn(async move {
                    let (keymap, warnings) = {
                        let folder = shared.folders.keymaps.as_deref();
                        crate::keymap::load(&name, folder, &known())
                    };
                    let _ = shared
                        .news
                        .send(News::Keymap {
                            name,
                            keymap: Box::new(keymap),
                            warnings: warnings.iter().map(ToString::to_string).collect(),
                        })
                        .await;
                });
            }
            Effect::KeymapAgain { name } => {
                self.runtime.spawn(watch::keymap_again(shared, name));
            }
            Effect::Save(session) => {
                if let Some(path) = self.shared.folders.session.clone() {
                    self.runtime.spawn_blocking(move || save(&path, &session));
                }
            }
            Effect::Screen(_) => {}
        }
    }

    fn end_serving(&mut self) {
        if let Some(stop) = self.serving.take() {
            stop.cancel();
        }
    }

    /// Prepare jobs, then put them on the floor.
    fn add(&self, prepare: impl Future<Output = Vec<crate::batch::Job>> + Send + 'static) {
        let floor = Arc::clone(&self.floor);
        self.runtime.spawn(async move {
            for job in prepare.await {
                floor.add(job);
            }
        });
    }
}

/// What keymaps may name.
#[must_use]
pub fn known() -> crate::keymap::Known<'static> {
    static CONTEXTS: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
        super::command::CONTEXTS
            .iter()
            .map(|(name, _)| *name)
            .collect()
    });
    crate::keymap::Known {
        contexts: &CONTEXTS,
        check: &super::command::check,
    }
}

/// Write the session file whole or not at all. That it is lost costs a layout, no data: nothing is said.
fn save(path: &std::path::Path, session: &Session) {
    let Ok(text) = toml::to_string(session) else {
        return;
    };
    if let Some(folder) = path.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let part = path.with_extension("part");
    if std::fs::write(&part, text).is_ok() {
        let _ = std::fs::rename(&part, path);
    }
}
