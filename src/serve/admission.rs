//! Who may begin: so many choices at a time, and so many requests that wait, first come first served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;

/// See the module.
pub(super) struct Admission {
    room: Arc<Semaphore>,
    size: usize,
    running: Arc<AtomicUsize>,
    waiting: AtomicUsize,
    queue: usize,
}

/// A place among those that run; given back when it is dropped.
pub(super) struct Place {
    choices: usize,
    running: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.fetch_sub(self.choices, Ordering::Relaxed);
    }
}

/// One that waits; counted as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub(super) fn new(size: usize, queue: usize) -> Self {
        let size = size.clamp(1, u32::MAX as usize >> 4);
        Self {
            room: Arc::new(Semaphore::new(size)),
            size,
            running: Arc::default(),
            waiting: AtomicUsize::new(0),
            queue,
        }
    }

    /// Wait for room for so many choices; giving up while waiting leaves no trace.
    pub(super) async fn enter(&self, choices: usize) -> Result<Place, Refusal> {
        let choices = choices.min(self.size);
        let many = u32::try_from(choices).unwrap_or(1);
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(many) {
            return Ok(self.place(choices, permit));
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.queue {
            return Err(Refusal::busy(before));
        }
        let permit = Arc::clone(&self.room).acquire_many_owned(many).await;
        let permit = permit.map_err(|_closed| Refusal::closing())?;
        Ok(self.place(choices, permit))
    }

    /// Counted apart from the room, of which those that wait may hold a part already.
    fn place(&self, choices: usize, permit: OwnedSemaphorePermit) -> Place {
        self.running.fetch_add(choices, Ordering::Relaxed);
        Place {
            choices,
            running: Arc::clone(&self.running),
            _permit: permit,
        }
    }

    /// Choices that are generated now.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_no_room_waits_in_order_and_what_has_no_place_in_the_queue_is_refused() {
        let admission = Arc::new(Admission::new(4, 1));
        let first = admission.enter(3).await.unwrap();
        let second = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.enter(2).await.map(drop) }
        });
        while admission.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(admission.enter(4).await.is_err());
        assert_eq!((admission.running(), admission.waiting()), (3, 1));
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn more_choices_than_there_is_room_for_take_all_of_it_and_who_gives_up_is_forgotten() {
        let admission = Admission::new(2, 8);
        let all = admission.enter(9).await.unwrap();
        assert_eq!(admission.running(), 2);
        let waits = tokio::time::timeout(std::time::Duration::from_millis(5), admission.enter(1));
        assert!(waits.await.is_err());
        assert_eq!(admission.waiting(), 0);
        drop(all);
        assert!(admission.enter(1).await.is_ok());
    }
}
