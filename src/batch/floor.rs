//! The floor of the gym: so many places, jobs that take them in turn, and a way to reach each rollout that runs.
//!
//! A floor lives as long as its owner likes. Jobs are added while others run; the number of places goes up and down, and
//! zero only keeps new ones from starting. Branches that a person asks for while a rollout runs are run after it, in the
//! same place. A job that panics is over with an error of its own and gives its place back.
//!
//! Dropping a floor lets what runs and waits run to its end; [`Floor::abandon`] makes everything let go at once.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::news::{JobNumber, News, Teller};
use crate::rollout::socket::Control;
use crate::rollout::{self, Finished, Remote, Rollout, RolloutError, control};
use crate::trajectory::RolloutId;
use crate::trajectory::fold::State;

/// A rollout that is opened when its turn comes: laying out a repository or pulling an image for thousands of tasks
/// beforehand would fill the disk before the first one began.
pub struct Job {
    /// For messages: the task.
    pub name: String,
    /// Each step's actions wait for approval, from the start.
    pub step_mode: bool,
    /// Opens it.
    pub open: Pin<Box<dyn Future<Output = Result<Rollout, RolloutError>> + Send>>,
}

/// How one rollout came out.
pub struct Came {
    /// The job's name.
    pub name: String,
    /// What its trajectory says, or why it could not be carried to an end.
    pub result: Result<Box<State>, RolloutError>,
}

/// A job on the floor. Dropping this does not stop it.
pub struct Going {
    /// Its number in the news.
    pub job: JobNumber,
    name: String,
    over: oneshot::Receiver<Vec<Came>>,
}

impl Going {
    /// Wait until it is over: how it came out, and then each branch that grew out of it.
    pub async fn over(self) -> Vec<Came> {
        // The sender is dropped unused only when the runtime goes down under it.
        self.over.await.unwrap_or_else(|_gone| {
            vec![Came {
                name: self.name.clone(),
                result: Err(RolloutError::NotBegun(self.name)),
            }]
        })
    }
}

/// See the module.
pub struct Floor {
    shared: Arc<Shared>,
}

struct Shared {
    news: mpsc::Sender<News>,
    abandon: CancellationToken,
    now: Mutex<Now>,
    /// Somebody left.
    left: Notify,
}

/// Who is on the floor.
struct Now {
    places: usize,
    taken: usize,
    added: u64,
    waiting: VecDeque<Waiting>,
    remotes: HashMap<RolloutId, Remote>,
}

struct Waiting {
    job: Job,
    number: JobNumber,
    over: oneshot::Sender<Vec<Came>>,
}

impl Floor {
    /// A floor with so many places. A full `news` channel holds up the telling of news and the end of a rollout, never
    /// what happens in one; nobody needs to listen.
    #[must_use]
    pub fn new(places: usize, news: mpsc::Sender<News>) -> Self {
        Self {
            shared: Arc::new(Shared {
                news,
                abandon: CancellationToken::new(),
                now: Mutex::new(Now {
                    places,
                    taken: 0,
                    added: 0,
                    waiting: VecDeque::new(),
                    remotes: HashMap::new(),
                }),
                left: Notify::new(),
            }),
        }
    }

    /// Add a job; it begins when those before it have begun and a place is free. Needs a tokio runtime around it.
    #[expect(
        clippy::must_use_candidate,
        reason = "who hears the news need not wait for each job"
    )]
    pub fn add(&self, job: Job) -> Going {
        let (sender, over) = oneshot::channel();
        let name = job.name.clone();
        let number = {
            let mut now = self.shared.now();
            now.added += 1;
            let number = JobNumber(now.added);
            now.waiting.push_back(Waiting {
                job,
                number,
                over: sender,
            });
            number
        };
        self.shared.fill();
        Going {
            job: number,
            name,
            over,
        }
    }

    /// A way to steer a rollout that runs here.
    #[must_use]
    pub fn remote(&self, id: &RolloutId) -> Option<Remote> {
        self.shared.now().remotes.get(id).cloned()
    }

    /// Raise or lower the number of places. Nobody is sent away: with fewer places the next ones wait longer.
    pub fn set_places(&self, places: usize) {
        self.shared.now().places = places;
        self.shared.fill();
    }

    /// How many jobs run, and how many wait.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let now = self.shared.now();
        (now.taken, now.waiting.len())
    }

    /// Let go of everything at once: what runs can be resumed, what waits is never begun, nor is what is added later.
    pub fn abandon(&self) {
        self.shared.abandon.cancel();
        self.shared.fill();
    }

    /// Whether [`Floor::abandon`] was called.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.abandon.is_cancelled()
    }

    /// Wait until nothing runs or waits.
    pub async fn empty(&self) {
        loop {
            let left = self.shared.left.notified();
            if self.count() == (0, 0) {
                return;
            }
            left.await;
        }
    }
}

impl Shared {
    /// Every change leaves it whole, so that a panic elsewhere does not matter.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let jobs in while there are places; on an abandoned floor all of them, to be told so.
    fn fill(self: &Arc<Self>) {
        loop {
            let next = {
                let mut now = self.now();
                if now.taken >= now.places && !self.abandon.is_cancelled() {
                    return;
                }
                let Some(next) = now.waiting.pop_front() else {
                    return;
                };
                now.taken += 1;
                next
            };
            tokio::spawn(Arc::clone(self).see_to(next));
        }
    }

    /// One job, from taking its place to giving it back.
    async fn see_to(self: Arc<Self>, next: Waiting) {
        let Waiting { job, number, over } = next;
        let name = job.name.clone();
        let came = if self.abandon.is_cancelled() {
            let error = RolloutError::NotBegun(name.clone());
            vec![self.came(number, &name, None, Err(error)).await]
        } else {
            match tokio::spawn(Arc::clone(&self).carry(number, job)).await {
                Ok(came) => came,
                Err(error) => {
                    let error = RolloutError::Broken {
                        name: name.clone(),
                        why: error.to_string(),
                    };
                    vec![self.came(number, &name, None, Err(error)).await]
                }
            }
        };
        self.now().taken -= 1;
        self.fill();
        let _ = over.send(came);
        self.left.notify_waiters();
    }

    /// Tell how a rollout came out.
    async fn came(
        &self,
        job: JobNumber,
        name: &str,
        id: Option<RolloutId>,
        result: Result<Box<State>, RolloutError>,
    ) -> Came {
        let how = match &result {
            Ok(state) => Ok(state.verdict.clone()),
            Err(error) => Err(error.to_string()),
        };
        let over = News::Over {
            job,
            name: name.to_owned(),
            id,
            how,
        };
        let _ = self.news.send(over).await;
        Came {
            name: name.to_owned(),
            result,
        }
    }

    /// One rollout and the branches that grow out of it.
    async fn carry(self: Arc<Self>, number: JobNumber, job: Job) -> Vec<Came> {
        let Job {
            name,
            step_mode,
            open,
        } = job;
        let mut rollout = match open.await {
            Ok(rollout) => rollout,
            Err(error) => return vec![self.came(number, &name, None, Err(error)).await],
        };
        let mut all = Vec::new();
        loop {
            let id = rollout.id.clone();
            let finished = self.run(rollout, number, &name, step_mode).await;
            let (result, branch) = match finished {
                Ok(Finished::Over(state)) => (Ok(state), None),
                Ok(Finished::Branched { parent, branch }) => (Ok(parent), Some(branch)),
                Err(error) => (Err(error), None),
            };
            all.push(self.came(number, &name, Some(id), result).await);
            match branch {
                Some(branch) => rollout = *branch,
                None => return all,
            }
        }
    }

    async fn run(
        self: &Arc<Self>,
        rollout: Rollout,
        job: JobNumber,
        name: &str,
        step_mode: bool,
    ) -> Result<Finished, RolloutError> {
        let id = rollout.id.clone();
        let (remote, desk) = control::desk(step_mode);
        let begun = News::Begun {
            job,
            name: name.to_owned(),
            id: id.clone(),
            copied: rollout.copied(),
        };
        let _ = self.news.send(begun).await;
        let teller = Teller {
            id: id.clone(),
            file: rollout.folder().join("events.jsonl"),
            next: rollout.first_news(),
            news: self.news.clone(),
        };
        let telling = tokio::spawn(teller.tell(rollout.subscribe()));
        let reachable = Reachable::new(self, &rollout, &remote).await;
        let result = Box::pin(rollout::run(rollout, desk, self.abandon.clone())).await;
        drop(reachable);
        // The writer is gone with the rollout, so the teller ends when it has told everything.
        let _ = telling.await;
        result
    }
}

/// A rollout that operations can be sent to, until this is dropped, however it ends.
struct Reachable {
    shared: Arc<Shared>,
    id: RolloutId,
    _socket: Option<Control>,
}

impl Reachable {
    async fn new(shared: &Arc<Shared>, rollout: &Rollout, remote: &Remote) -> Self {
        let id = rollout.id.clone();
        let socket = match Control::listen(&rollout.folder(), remote.clone()) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let news = News::NoSocket {
                    id: id.clone(),
                    why: error.to_string(),
                };
                let _ = shared.news.send(news).await;
                None
            }
        };
        shared.now().remotes.insert(id.clone(), remote.clone());
        Self {
            shared: Arc::clone(shared),
            id,
            _socket: socket,
        }
    }
}

impl Drop for Reachable {
    fn drop(&mut self) {
        self.shared.now().remotes.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    /// A job that waits at a gate and then fails, so that no rollout is needed.
    fn waits(name: &str, gate: &Arc<Semaphore>) -> Job {
        let gate = Arc::clone(gate);
        let why = name.to_owned();
        Job {
            name: name.into(),
            step_mode: false,
            open: Box::pin(async move {
                let pass = gate.acquire_owned().await.unwrap();
                pass.forget();
                Err(RolloutError::Ground(why))
            }),
        }
    }

    async fn error(going: Going) -> String {
        let came = going.over().await;
        assert_eq!(came.len(), 1);
        came[0].result.as_ref().err().unwrap().to_string()
    }

    #[tokio::test]
    async fn jobs_take_places_in_their_order_and_places_go_up_and_down() {
        let (news, _heard) = mpsc::channel(64);
        let floor = Floor::new(1, news);
        let gate = Arc::new(Semaphore::new(0));
        let mut going: VecDeque<Going> = ["a", "b", "c", "d"]
            .map(|name| floor.add(waits(name, &gate)))
            .into();
        assert_eq!(floor.count(), (1, 3));
        floor.set_places(3);
        assert_eq!(floor.count(), (3, 1));
        floor.set_places(0);
        gate.add_permits(3);
        for name in ["a", "b", "c"] {
            assert_eq!(error(going.pop_front().unwrap()).await, name);
        }
        assert_eq!(floor.count(), (0, 1), "no place, so nobody begins");
        floor.set_places(1);
        let late = floor.add(waits("e", &gate));
        gate.add_permits(2);
        assert_eq!(error(going.pop_front().unwrap()).await, "d");
        assert_eq!(error(late).await, "e");
        floor.empty().await;
    }

    #[tokio::test]
    async fn a_job_that_panics_is_an_error_with_its_name_and_gives_its_place_back() {
        let (news, mut heard) = mpsc::channel(64);
        let floor = Floor::new(1, news);
        let gate = Arc::new(Semaphore::new(1));
        let panics = floor.add(Job {
            name: "the one that panics".into(),
            step_mode: false,
            open: Box::pin(async { panic!("a bug") }),
        });
        let after = floor.add(waits("after", &gate));
        assert!(error(panics).await.contains("the one that panics"));
        assert_eq!(error(after).await, "after");
        let Some(News::Over { name, how, .. }) = heard.recv().await else {
            panic!("no news");
        };
        assert!(name == "the one that panics" && how.is_err());
    }

    #[tokio::test]
    async fn an_abandoned_floor_begins_nothing_more() {
        let (news, _heard) = mpsc::channel(64);
        let floor = Floor::new(0, news);
        let gate = Arc::new(Semaphore::new(9));
        let waiting = floor.add(waits("waiting", &gate));
        floor.abandon();
        let late = floor.add(waits("late", &gate));
        assert_eq!(error(waiting).await, "waiting: not begun");
        assert_eq!(error(late).await, "late: not begun");
        floor.empty().await;
    }
}
