//! Replays: setting the clock, and telling the story again.

use crate::app::effect::Effect;
use crate::app::messages::Weight;
use crate::app::run::Replay;
use crate::app::state::State;
use crate::app::story::Story;

/// Tell the stored run again, from the step under the cursor.
pub fn begin_replay(state: &mut State) -> Vec<Effect> {
    let generation = state.request();
    let Some(run) = state.runs.get_mut(state.current) else {
        return Vec::new();
    };
    if !run.kept.are_all() {
        // It was live when it was opened, and a live run keeps no records: they are read again, and then it begins.
        let revision = run.story.revision;
        run.generation = generation;
        run.kept.clear();
        run.story = Story::default();
        run.story.restarted(revision);
        run.caught_up = false;
        run.transcript.stored = false;
        run.replay_when_told = true;
        let id = run.id.clone();
        return vec![Effect::Open { id, generation }];
    }
    let mut replay = Replay::of(run.kept.records());
    let step = run.step();
    let from = if step <= 1 || step >= run.story.last() {
        // The opening is there from the start; what follows is what one wants to see happen.
        run.kept
            .records()
            .iter()
            .position(|record| {
                matches!(record.event, crate::trajectory::event::Event::Asked { .. })
            })
            .unwrap_or(0)
    } else {
        Replay::end_of_step(run.kept.records(), step)
    };
    replay.set(from);
    replay.toggle();
    run.story = replay.story(run.kept.records());
    run.transcript.follow = true;
    run.replay = Some(replay);
    Vec::new()
}

/// All of the run again.
pub fn end_replay(state: &mut State) {
    if let Some(run) = state.runs.get_mut(state.current)
        && run.replay.take().is_some()
    {
        run.story = Story::of(run.kept.records());
        run.transcript.follow = false;
    }
}

/// Bring the story to where the clock stands.
pub fn retell(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let Some(run) = state.runs.get_mut(state.current) else {
        return Vec::new();
    };
    let Some(replay) = &mut run.replay else {
        return Vec::new();
    };
    let before = replay.at;
    let at = replay.tick(now, run.kept.records());
    if at > before && run.story.span.is_some() && told(&run.story) == before {
        for record in run.kept.records().get(before..at).unwrap_or_default() {
            run.story.tell(record);
        }
    } else if told(&run.story) != at {
        let revision = run.story.revision;
        run.story = replay.story(run.kept.records());
        // Caches must not take the story told anew for the old one.
        run.story.restarted(revision);
    }
    Vec::new()
}

/// How many records a story has taken in.
fn told(story: &Story) -> usize {
    story.told
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
    let whole = run.story.whole_step(last);
    let wanted = i64::from(whole) + by;
    let at = match u32::try_from(wanted) {
        Ok(step) if step > 0 => Replay::end_of_step(run.kept.records(), step),
        _ => 1,
    };
    replay.set(at);
    let end = replay.at >= run.kept.records().len();
    run.transcript.follow = true;
    if end {
        state.say(
            Weight::Info,
            "the end of the replay; Esc ends it, Space plays it again",
        );
    }
    retell(state)
}
