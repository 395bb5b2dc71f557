//! Which page of keys and values belongs to which text: pages shared by prefix, the least used given up first.
//!
//! Mental model: a tree. Each node is one page: up to [`PAGE`] tokens that follow the tokens of its parents. A stream *holds*
//! the path of its text; what nobody holds stays for the next stream that begins with the same text, until the page is wanted
//! for something else. A full page is shared as it is. Of a page that matches in part, the matching tokens are copied into a
//! page of the stream's own, so that a rollout's next turn computes its new tokens only, wherever its last turn ended.
//! Streams that read the same text side by side hold what the first of them has computed ([`Tree::go_on`]); what two have computed
//! all the same is one page again as soon as it is full ([`Tree::settle`]), so that no text is told twice.
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
    /// Pages from the first that nobody else has as well.
    settled: usize,
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
    pub fn begin(&mut self, owner: u64, text: &[u32], copy: impl FnMut(Page, Page, usize)) -> Held {
        self.clock += 1;
        self.counts.asked += text.len() as u64;
        let wanted = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let mut held = Held::of(owner);
        self.reach(&mut held, wanted, copy);
        self.counts.found += held.length as u64;
        held
    }

    /// Hold what has come of the text since then, computed for another stream, instead of computing it. The tokens that are held
    /// are the text's own.
    pub fn go_on(
        &mut self,
        held: &mut Held,
        text: &[u32],
        mut copy: impl FnMut(Page, Page, usize),
    ) {
        let before = held.length;
        let wanted = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let begun = held.length % PAGE;
        if begun > 0 && !self.exchange(held, wanted, begun, &mut copy) {
            self.counts.found += (held.length - before) as u64;
            return;
        }
        self.reach(held, wanted, copy);
        self.counts.found += (held.length - before) as u64;
    }

    /// Of a page that the stream has begun another has more: a full one takes its place (true), of another the tokens are copied.
    fn exchange(
        &mut self,
        held: &mut Held,
        wanted: &[u32],
        begun: usize,
        copy: &mut impl FnMut(Page, Page, usize),
    ) -> bool {
        let Some(own) = held.path.last().copied() else {
            return false;
        };
        let Some((parent, page)) = self.nodes.get(&own).map(|node| (node.parent, node.page)) else {
            return false;
        };
        let start = held.length - begun;
        let rest = wanted.get(start..).unwrap_or_default();
        let Some((other, same)) = self.longest(parent, held.owner, rest) else {
            return false;
        };
        if other == own || same <= begun {
            return false;
        }
        held.length = start + same;
        if same == PAGE {
            self.hold(other);
            held.path.pop();
            held.path.push(other);
            self.remove(own);
            return true;
        }
        if let Some(from) = self.nodes.get(&other).map(|node| node.page) {
            copy(from, page, same);
        }
        if let Some(node) = self.nodes.get_mut(&own) {
            node.tokens = rest.get(..same).unwrap_or_default().to_vec();
        }
        false
    }

    /// Where a page that is full now is another's, too, hold that one, and be rid of one's own.
    pub fn settle(&mut self, held: &mut Held) {
        let full = held.length / PAGE;
        for at in held.settled..full {
            let Some(own) = held.path.get(at).copied() else {
                break;
            };
            let Some(twin) = self.twin(own) else { continue };
            let children = self
                .nodes
                .get_mut(&own)
                .map(|node| std::mem::take(&mut node.children));
            for child in children.unwrap_or_default() {
                if let Some(node) = self.nodes.get_mut(&child) {
                    node.parent = twin;
                }
                if let Some(node) = self.nodes.get_mut(&twin) {
                    node.children.push(child);
                }
            }
            self.hold(twin);
            if let Some(place) = held.path.get_mut(at) {
                *place = twin;
            }
            self.remove(own);
        }
        held.settled = full;
    }

    /// Another page of the same text, where nobody but one stream holds this one.
    fn twin(&self, id: Id) -> Option<Id> {
        let own = self.nodes.get(&id).filter(|node| node.held == 1)?;
        let siblings = self.nodes.get(&own.parent)?.children.iter();
        siblings
            .filter(|other| **other != id)
            .find(|other| {
                let other = self.nodes.get(other);
                other.is_some_and(|other| other.owner == own.owner && other.tokens == own.tokens)
            })
            .copied()
    }

    /// Hold what follows of a text after full pages, or none.
    fn reach(&mut self, held: &mut Held, wanted: &[u32], mut copy: impl FnMut(Page, Page, usize)) {
        let owner = held.owner;
        let mut at = held.path.last().copied().unwrap_or(ROOT);
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
mod tests;
