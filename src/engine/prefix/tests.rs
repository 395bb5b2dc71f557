//! Pages over made-up memory: what a stream reads there is what its own text makes.
#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "numbers that the test itself makes"
)]

use super::*;

/// A stand-in for memory: what was computed into each place of each page.
struct Memory {
    cells: HashMap<(Page, usize), Vec<u32>>,
}

fn copies(cells: &mut HashMap<(Page, usize), Vec<u32>>) -> impl FnMut(Page, Page, usize) + use<'_> {
    |from, to, count| {
        for at in 0..count {
            let value = cells[&(from, at)].clone();
            cells.insert((to, at), value);
        }
    }
}

/// A stream over made-up memory, where the value of a token is all the text up to it.
struct Bench {
    tree: Tree,
    memory: Memory,
    computed: usize,
}

impl Bench {
    fn new(pages: u32) -> Self {
        Self {
            tree: Tree::new(pages),
            memory: Memory {
                cells: HashMap::new(),
            },
            computed: 0,
        }
    }

    fn begin(&mut self, text: &[u32]) -> Option<Held> {
        let cells = &mut self.memory.cells;
        let mut held = self.tree.begin(0, text, copies(cells));
        for at in held.length()..text.len() {
            if !self.push(&mut held, &text[..=at]) {
                self.tree.end(held);
                return None;
            }
        }
        self.check(&held, text);
        Some(held)
    }

    fn push(&mut self, held: &mut Held, text: &[u32]) -> bool {
        match self.tree.push(held, *text.last().unwrap()) {
            Ok(place) => {
                self.memory.cells.insert(place, text.to_vec());
                self.computed += 1;
                true
            }
            Err(Full) => false,
        }
    }

    /// Everything that the stream would read is what its own text makes.
    fn check(&self, held: &Held, text: &[u32]) {
        assert_eq!(held.length(), text.len());
        let mut at = 0;
        for (number, id) in held.path.iter().enumerate() {
            let node = &self.tree.nodes[id];
            assert_eq!(at, number * PAGE, "only the last page is not full");
            for place in 0..node.tokens.len() {
                assert_eq!(
                    self.memory.cells[&(node.page, place)],
                    text[..=at],
                    "page {number}"
                );
                at += 1;
            }
        }
        assert_eq!(at, text.len());
    }
}

fn text(seed: u32, length: usize) -> Vec<u32> {
    (0..length as u32).map(|at| seed * 1000 + at % 7).collect()
}

#[test]
fn a_next_turn_computes_its_new_tokens_only() {
    let mut bench = Bench::new(64);
    let mut conversation = text(1, 77);
    let mut before = 0;
    for turn in 0..6 {
        let held = bench.begin(&conversation).unwrap();
        let new = conversation.len() - before;
        assert!(
            bench.computed <= new + 1,
            "turn {turn}: {} for {new}",
            bench.computed
        );
        bench.computed = 0;
        bench.tree.end(held);
        before = conversation.len();
        conversation.extend(text(2 + turn, 19));
    }
}

#[test]
fn what_an_adapter_computed_is_found_by_none_but_it() {
    let mut bench = Bench::new(64);
    let issue = text(1, 100);
    let held = bench.begin(&issue).unwrap();
    bench.tree.end(held);
    let mut lengths = Vec::new();
    for owner in [7, 7, 0, 8] {
        let mut held = bench.tree.begin(owner, &issue, |_, _, _| {});
        lengths.push(held.length());
        for token in &issue[held.length()..] {
            bench.tree.push(&mut held, *token).unwrap();
        }
        bench.tree.end(held);
    }
    assert_eq!(lengths, [0, 99, 99, 0]);
}

#[test]
fn attempts_at_the_same_task_compute_it_once() {
    let mut bench = Bench::new(64);
    let issue = text(1, 200);
    let streams: Vec<Held> = (0..4).map(|_| bench.begin(&issue).unwrap()).collect();
    assert!(bench.computed <= 200 + 3 * (PAGE + 1), "{}", bench.computed);
    let counts = bench.tree.counts();
    assert!(counts.held <= 7 + 3, "{counts:?}");
    for held in streams {
        bench.tree.end(held);
    }
    assert_eq!(bench.tree.counts().held, 0);
}

#[test]
fn what_two_have_computed_side_by_side_is_one_page_again() {
    let mut bench = Bench::new(64);
    let (one, other) = (text(1, 150), [text(1, 100), text(2, 50)].concat());
    let mut held = [(); 2].map(|()| bench.tree.begin(0, &[], |_, _, _| {}));
    for at in 0..150 {
        for (held, text) in held.iter_mut().zip([&one, &other]) {
            assert!(bench.push(held, &text[..=at]));
        }
        if at % 5 == 4 {
            for held in &mut held {
                bench.tree.settle(held);
            }
        }
    }
    bench.check(&held[0], &one);
    bench.check(&held[1], &other);
    // Three pages in common, and two of each one's own.
    assert_eq!(bench.tree.counts().held, 3 + 2 * 2);
    for held in held {
        bench.tree.end(held);
    }
    for text in [one, other] {
        bench.computed = 0;
        let again = bench.begin(&text).unwrap();
        assert!(bench.computed <= 1, "{}", bench.computed);
        bench.tree.end(again);
    }
}

#[test]
fn what_is_held_is_never_given_up_and_what_is_not_goes_oldest_first() {
    let mut bench = Bench::new(4);
    let first = bench.begin(&text(1, 40)).unwrap();
    let second = bench.begin(&text(2, 40)).unwrap();
    assert!(bench.begin(&text(3, 5)).is_none(), "all pages are held");
    bench.check(&first, &text(1, 40));
    bench.tree.end(first);
    bench.tree.end(second);
    let third = bench.begin(&text(3, 40)).unwrap();
    bench.computed = 0;
    bench.tree.end(third);
    let again = bench.begin(&text(2, 40)).unwrap();
    assert!(
        bench.computed <= 1,
        "the newer one was kept: {}",
        bench.computed
    );
    bench.tree.end(again);
    assert_eq!(bench.tree.counts().given_up, 2);
}

#[test]
fn a_guess_that_is_taken_back_leaves_no_trace() {
    let mut bench = Bench::new(8);
    let whole = text(1, 60);
    let mut held = bench.begin(&whole).unwrap();
    let mut guess = whole.clone();
    for token in 9000..9040 {
        guess.push(token);
        assert!(bench.push(&mut held, &guess));
    }
    bench.tree.pop(&mut held, 40);
    bench.check(&held, &whole);
    bench.tree.end(held);
    assert_eq!(bench.tree.free.len(), 8 - 2);
}

#[test]
fn random_streams_read_what_their_own_text_makes_and_no_page_is_lost() {
    let mut seed = 5u64;
    let mut draw = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    let mut bench = Bench::new(24);
    let mut streams: Vec<(Held, Vec<u32>)> = Vec::new();
    // Streams that read by and by.
    let mut reading: Vec<(Held, Vec<u32>)> = Vec::new();
    let mut gained = 0;
    for _ in 0..6000 {
        match draw(7) {
            4 if reading.len() < 3 => {
                let mut text: Vec<u32> = (0..draw(90) as u32).map(|at| at / 3).collect();
                text.extend((0..draw(40) as u32).map(|at| at % 2));
                text.push(draw(3) as u32);
                let cells = &mut bench.memory.cells;
                let held = bench.tree.begin(0, &text, copies(cells));
                reading.push((held, text));
            }
            5 | 6 if !reading.is_empty() => {
                let at = draw(reading.len());
                let (held, text) = &mut reading[at];
                let before = held.length();
                let cells = &mut bench.memory.cells;
                bench.tree.go_on(held, text, copies(cells));
                gained += held.length() - before;
                let until = (held.length() + draw(50)).min(text.len());
                let mut full = false;
                while held.length() < until && !full {
                    let next = held.length() + 1;
                    full = !bench.push(held, &text[..next]);
                }
                bench.tree.settle(held);
                bench.check(held, &text[..held.length()]);
                if full || held.length() == text.len() {
                    let (held, _) = reading.swap_remove(at);
                    bench.tree.end(held);
                }
            }
            0 if streams.len() < 4 => {
                // Few different beginnings, so that much is shared.
                let mut text: Vec<u32> = Vec::new();
                for _ in 0..=draw(4) {
                    let part = draw(3) as u32;
                    text.extend((0..draw(40) as u32).map(|at| part * 100 + at / 3));
                }
                text.push(draw(3) as u32);
                if let Some(held) = bench.begin(&text) {
                    streams.push((held, text));
                }
            }
            1 | 2 if !streams.is_empty() => {
                let at = draw(streams.len());
                let (held, text) = &mut streams[at];
                text.push(draw(2) as u32);
                if !bench.push(held, text) {
                    text.pop();
                }
                let (held, text) = &mut streams[at];
                bench.tree.settle(held);
                bench.check(held, text);
            }
            3 if !streams.is_empty() => {
                let (held, _) = streams.swap_remove(draw(streams.len()));
                bench.tree.end(held);
            }
            _ => {}
        }
        let counts = bench.tree.counts();
        assert_eq!(counts.held + counts.kept + bench.tree.free.len(), 24);
    }
    assert!(gained > 100, "{gained}");
    assert!(
        bench.tree.counts().found > 1000,
        "{:?}",
        bench.tree.counts()
    );
    assert!(
        bench.tree.counts().given_up > 100,
        "{:?}",
        bench.tree.counts()
    );
}
