//! Which page of keys and values belongs to which text: pages shared by prefix, the least used given up first.
//!
//! Mental model: a tree. Each node is one page: up to [`PAGE`] tokens that follow the tokens of its parents. A stream *holds*
//! the path of its text; what nobody holds stays for the next stream that begins with the same text, until the page is wanted
//! for something else. A full page is shared as it is. Of a page that matches in part, the matching tokens are copied into a
//! page of the stream's own, so that a rollout's next turn computes its new tokens only, wherever its last turn ended.
//! What adapters compute differs: each has beginnings of its own, by its key.
//!
//! Pages are numbers here: what is in them, and copying it, is the caller's. A text that is not in the tree is computed; a
//! page that was given up is forgotten with everything after it, so that nothing is ever read that is not there.

use std::collections::HashMap;

/// Tokens of a page.
pub const PAGE: usize = 32;

/// Names a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Page(pub u32);

/// No page is free, and none can be given up: streams hold all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

type Id = usize;
/// The node before all text.
const ROOT: Id = 0;

#[derive(Debug)]
struct Node {
    parent: Id,
    /// Key of the adapter that computed it.
    owner: u64,
    tokens: Vec<u32>,
    page: Page,
    children: Vec<Id>,
    /// Streams that hold it.
    held: u32,
    /// When it was last used.
    used: u64,
}

/// What a stream holds.
#[derive(Debug, Default)]
pub struct Held {
    path: Vec<Id>,
    owner: u64,
    /// Tokens that are in its pages.
    length: usize,
}

impl Held {
    /// Nothing yet, of a stream with this adapter.
    #[must_use]
    pub fn of(owner: u64) -> Self {
        Self {
            owner,
            ..Self::default()
        }
    }

    /// Tokens that are computed.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }
}

/// Counts, for the screen and for tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pages there are.
    pub pages: usize,
    /// Pages with content that somebody holds.
    pub held: usize,
    /// Pages with content that nobody holds.
    pub kept: usize,
    /// Tokens of texts that were found.
    pub found: u64,
    /// Tokens of texts that were asked for.
    pub asked: u64,
    /// Pages that were given up for others.
    pub given_up: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Tree {
    nodes: HashMap<Id, Node>,
    next: Id,
    free: Vec<Page>,
    pages: usize,
    clock: u64,
    counts: Counts,
}

impl Tree {
    /// Over so many pages, numbered from 0.
    #[must_use]
    pub fn new(pages: u32) -> Self {
        let root = Node {
            parent: ROOT,
            owner: 0,
            tokens: Vec::new(),
            page: Page(u32::MAX),
            children: Vec::new(),
            held: 1,
            used: 0,
        };
        Self {
            nodes: HashMap::from([(ROOT, root)]),
            next: ROOT + 1,
            free: (0..pages).rev().map(Page).collect(),
            pages: pages as usize,
            clock: 0,
            counts: Counts::default(),
        }
    }

    /// Hold as much of a text as is there, computed with the adapter of key `owner`. `copy` puts the first so many tokens of a page into another. At least the last
    /// token of the text is left to be computed: its logits are wanted.
    pub fn begin(
        &mut self,
        owner: u64,
        text: &[u32],
        mut copy: impl FnMut(Page, Page, usize),
    ) -> Held {
        self.clock += 1;
        self.counts.asked += text.len() as u64;
        let wanted = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let mut held = Held::of(owner);
        let mut at = ROOT;
        loop {
            let rest = wanted.get(held.length..).unwrap_or_default();
            let Some((child, same)) = self.longest(at, owner, rest) else {
                break;
            };
            let whole = self
                .nodes
                .get(&child)
                .is_some_and(|node| node.tokens.len() == PAGE);
            if whole && same == PAGE {
                self.hold(child);
                held.path.push(child);
                held.length += PAGE;
                at = child;
                continue;
            }
            if self.is_nearly(child, same) {
                // Nobody else's, and nothing is lost with it but a token that is computed again.
                self.hold(child);
                if let Some(node) = self.nodes.get_mut(&child) {
                    node.tokens.truncate(same);
                }
                held.path.push(child);
                held.length += same;
                break;
            }
            // The matching beginning of a page, copied. The page it comes from must not be given up for it.
            self.hold(child);
            if let Ok(page) = self.take()
                && let Some(from) = self.nodes.get(&child).map(|node| node.page)
            {
                copy(from, page, same);
                let tokens = rest.get(..same).unwrap_or_default().to_vec();
                let own = self.add(at, owner, tokens, page);
                held.path.push(own);
                held.length += same;
            }
            self.let_go(child);
            break;
        }
        self.counts.found += held.length as u64;
        held
    }

    /// A page with room for the token after those that are held, and its place there; the token is on record as computed.
    ///
    /// # Errors
    /// Where no page can be had; nothing has changed then.
    pub fn push(&mut self, held: &mut Held, token: u32) -> Result<(Page, usize), Full> {
        self.clock += 1;
        let last = held.path.last().copied();
        let clock = self.clock;
        if let Some(node) = last.and_then(|id| self.nodes.get_mut(&id))
            && node.tokens.len() < PAGE
            // A page that is not full is one stream's alone: whoever else wants it copies it.
            && node.held == 1
            && node.children.is_empty()
        {
            node.tokens.push(token);
            node.used = clock;
            held.length += 1;
            return Ok((node.page, node.tokens.len() - 1));
        }
        let page = self.take()?;
        let own = self.add(last.unwrap_or(ROOT), held.owner, vec![token], page);
        held.path.push(own);
        held.length += 1;
        Ok((page, 0))
    }

    /// Take back the last tokens: they were a guess.
    pub fn pop(&mut self, held: &mut Held, count: usize) {
        for _ in 0..count.min(held.length) {
            let Some(id) = held.path.last().copied() else {
                return;
            };
            held.length -= 1;
            let empty = self.nodes.get_mut(&id).is_none_or(|node| {
                node.tokens.pop();
                node.tokens.is_empty()
            });
            if empty {
                held.path.pop();
                self.remove(id);
            }
        }
    }

    /// The pages of what is held, in order.
    #[must_use]
    pub fn pages_of(&self, held: &Held) -> Vec<Page> {
        let nodes = held.path.iter().filter_map(|id| self.nodes.get(id));
        nodes.map(|node| node.page).collect()
    }

    /// The stream is over; its text stays for the next one that begins like it.
    pub fn end(&mut self, held: Held) {
        for id in held.path.into_iter().rev() {
            self.let_go(id);
        }
    }

    /// As they are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let held = self
            .nodes
            .iter()
            .filter(|(id, node)| **id != ROOT && node.held > 0)
            .count();
        Counts {
            pages: self.pages,
            held,
            kept: self.nodes.len() - 1 - held,
            ..self.counts
        }
    }

    /// The child that agrees longest with a text, and how long.
    fn longest(&self, at: Id, owner: u64, rest: &[u32]) -> Option<(Id, usize)> {
        let children = self.nodes.get(&at)?.children.iter();
        let agreeing = children.filter_map(|id| {
            let node = self.nodes.get(id).filter(|node| node.owner == owner)?;
            let same = node
                .tokens
                .iter()
                .zip(rest)
                .take_while(|(a, b)| a == b)
                .count();
            (same > 0).then_some((*id, same))
        });
        agreeing.max_by_key(|(id, same)| (*same, std::cmp::Reverse(*id)))
    }

    /// A page at the end of a text that nobody holds, of which all but one token agree.
    fn is_nearly(&self, id: Id, same: usize) -> bool {
        self.nodes.get(&id).is_some_and(|node| {
            node.held == 0 && node.children.is_empty() && same + 1 >= node.tokens.len()
        })
    }

    fn add(&mut self, parent: Id, owner: u64, tokens: Vec<u32>, page: Page) -> Id {
        let id = self.next;
        self.next += 1;
        let node = Node {
            parent,
            owner,
            tokens,
            page,
            children: Vec::new(),
            held: 1,
            used: self.clock,
        };
        self.nodes.insert(id, node);
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.children.push(id);
        }
        id
    }

    fn hold(&mut self, id: Id) {
        let clock = self.clock;
        if let Some(node) = self.nodes.get_mut(&id) {
            node.held += 1;
            node.used = clock;
        }
    }

    fn let_go(&mut self, id: Id) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.held = node.held.saturating_sub(1);
        let (parent, alone) = (node.parent, node.held == 0 && node.children.is_empty());
        // Two streams can have computed the same: one copy is enough.
        if alone && self.is_told_by_another(id, parent) {
            self.remove(id);
        }
    }

    fn is_told_by_another(&self, id: Id, parent: Id) -> bool {
        let (Some(own), Some(parent)) = (self.nodes.get(&id), self.nodes.get(&parent)) else {
            return false;
        };
        let others = parent.children.iter().filter(|other| **other != id);
        others
            .filter_map(|other| self.nodes.get(other))
            .any(|other| other.owner == own.owner && other.tokens.starts_with(&own.tokens))
    }

    /// A free page, or that of the leaf that nobody holds and nobody has used for longest.
    fn take(&mut self) -> Result<Page, Full> {
        if let Some(page) = self.free.pop() {
            return Ok(page);
        }
        let idle = self
            .nodes
            .iter()
            .filter(|(id, node)| **id != ROOT && node.held == 0 && node.children.is_empty());
        let oldest = idle
            .min_by_key(|(id, node)| (node.used, **id))
            .map(|(id, _)| *id);
        let Some(oldest) = oldest else {
            return Err(Full);
        };
        self.remove(oldest);
        self.counts.given_up += 1;
        self.free.pop().ok_or(Full)
    }

    fn remove(&mut self, id: Id) {
        if let Some(node) = self.nodes.remove(&id) {
            self.free.push(node.page);
            if let Some(parent) = self.nodes.get_mut(&node.parent) {
                parent.children.retain(|child| *child != id);
            }
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "numbers that the test itself makes"
)]
mod tests {
    use super::*;

    /// A stand-in for memory: what was computed into each place of each page.
    struct Memory {
        cells: HashMap<(Page, usize), Vec<u32>>,
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
            let mut held = self.tree.begin(0, text, |from, to, count| {
                for at in 0..count {
                    let value = cells[&(from, at)].clone();
                    cells.insert((to, at), value);
                }
            });
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
        for _ in 0..4000 {
            match draw(4) {
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
                    let (held, text) = &streams[at];
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
}
