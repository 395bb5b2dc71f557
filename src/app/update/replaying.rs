//! Replays: setting the clock, and telling the story again.

use crate::app::effect::Effect;
use crate::app::messages::Weight;
use crate::app::run::{Replay, Run};
use crate::app::state::State;
use crate::app::story::Story;

/// Tell the stored run again, from the step under the cursor.
pub fn begin_replay(state: &mut State) -> Vec<Effect> {
    let generation = state.request();
    let Some(run) = state.runs.get_mut(state.current) else {
        return Vec::new();
    };
    if run.records.len() + run.left_out < run.story.told {
        // It was live when it was opened, and a live run keeps no records: they are read again, and then it begins.
        let revision = run.story.revision;
        run.generation = generation;
        run.records.clear();
        run.left_out = 0;
        run.story = Story::default();
        run.story.restarted(revision);
        run.caught_up = false;
        run.transcript.stored = false;
        run.replay_when_told = true;
        let id = run.id.clone();
        return vec![Effect::Open { id, generation }];
    }
    let mut replay = Replay::of(&run.records);
    let step = run.step();
    let from = if step <= 1 || step >= run.story.last() {
        // The opening is there from the start; what follows is what one wants to see happen.
        run.records
            .iter()
            .position(|record| {
                matches!(record.event, crate::trajectory::event::Event::Asked { .. })
            })
            .unwrap_or(0)
    } else {
        Replay::end_of_step(&run.records, step)
    };
    replay.set(from);
    replay.toggle();
    run.story = replay.story(&run.records);
    run.transcript.follow = true;
    run.replay = Some(replay);
    if run.left_out > 0 {
        let (kept, all) = (run.records.len(), run.records.len() + run.left_out);
        let text = format!(
            "too much to keep all of it: {kept} of {all} records are told again; late text comes whole, not as it was written"
        );
        state.say(Weight::Warning, text);
    }
    Vec::new()
}

/// All of the run again.
pub fn end_replay(state: &mut State) {
    if let Some(run) = state.runs.get_mut(state.current)
        && run.replay.take().is_some()
    {
        run.story = Story::of(&run.records);
        run.transcript.follow = false;
    }
}

/// Bring the story to where the clock stands.
pub fn retell(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let stops = state.pauses();
    if let Some(run) = state.runs.get_mut(state.current) {
        if let Some(replay) = &mut run.replay {
            replay.tick(now, stops);
        }
        catch_up(run);
    }
    Vec::new()
}

/// The story is brought to the clock: told on, or told anew where the clock went back.
pub(super) fn catch_up(run: &mut Run) {
    let Some(replay) = &run.replay else {
        return;
    };
    let (told, at) = (run.story.told, replay.at);
    if at > told && told > 0 {
        for record in run.records.get(told..at).unwrap_or_default() {
            run.story.tell(record);
        }
    } else if told != at {
        let revision = run.story.revision;
        run.story = replay.story(&run.records);
        // Caches must not take the story told anew for the old one.
        run.story.restarted(revision);
    }
}

/// Set the clock to a share of its time. The story follows before the next frame: a drag is many events and few frames.
pub(super) fn seek(state: &mut State, share: f64) {
    if let Some(run) = state.runs.get_mut(state.current)
        && let Some(replay) = &mut run.replay
        && replay.seek(share)
    {
        run.transcript.follow = true;
    }
}

/// So many steps on, or back.
pub fn replay_by(state: &mut State, by: i64) -> Vec<Effect> {
    let Some(run) = state.runs.get_mut(state.current) else {
        return Vec::new();
    };
    let last = run.story.last();
    let Some(replay) = &mut run.replay else {
        return Vec::new();
    };
    replay.playing = false;
    replay.held = None;
    let whole = run.story.whole_step(last);
    let wanted = i64::from(whole) + by;
    let at = match u32::try_from(wanted) {
        Ok(step) if step > 0 => Replay::end_of_step(&run.records, step),
        _ => 1,
    };
    replay.set(at);
    let end = replay.at >= run.records.len();
    run.transcript.follow = true;
    if end {
        state.say(
            Weight::Info,
            "the end of the replay; Esc ends it, Space plays it again",
        );
    }
    retell(state)
}
