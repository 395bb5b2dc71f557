//! The schedule: requests join and leave, one step serves them all.
//!
//! Mental model: a thread owns decoder, cache and tree. Between two steps it takes in what was asked and lets go of what was
//! cancelled; a step then carries one token of every stream that speaks, and tokens of prompts (`shares`), so that a long prompt
//! stalls neither those who speak nor those who ask for less. Keys and values are found by prefix ([`super::prefix`]); what is there, or
//! is being read by another stream, is not computed again (`sharing`).
//!
//! A request is answered over its own bounded channel: who reads slowly holds up its own stream only. Where no page is
//! left the youngest stream gives way until there is room again (`room`). A panic ends the requests that were
//! being served with an error, and the engine goes on with an empty cache.
//!
//! Where guesses are wanted ([`super::lookup`]), a stream that speaks brings a few tokens that may come next beside its last
//! one. Each row is then drawn from as if it were alone, as long as the draw is what was guessed; what was guessed wrongly is
//! taken back. So guesses change how many steps a text takes, and nothing of the text, drawn ones included.
//!
//! Nothing here knows text: tokens in, tokens out.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use tokio::sync::mpsc as channel;

use super::EngineError;
use super::adapter::Adapter;
use super::compute::Compute;
use super::constraint::Constraint;
use super::decoder::{Part, Wanted};
use super::lookup::Lookup;
use super::prefix::{Counts, PAGE, Tree};
use super::sample::{Drawn, Sampler, Settings};
use shares::Share;
use stream::{Stream, owner};
use turn::{Turn, together};

mod room;
mod shares;
mod sharing;
mod stream;
mod turn;

/// What is asked.
pub struct Ask {
    /// The context.
    pub prompt: Vec<u32>,
    /// How to draw.
    pub settings: Settings,
    /// What is added to the model.
    pub adapter: Option<Arc<Adapter>>,
    /// What the reply is held to.
    pub constraint: Option<Constraint>,
    /// Most tokens of the reply.
    pub most: usize,
    /// Tokens that end it; they are not part of it.
    pub ends: Vec<u32>,
    /// Where the reply goes.
    pub reply: channel::Sender<Said>,
    /// Set by whoever does not want it any more.
    pub cancelled: Arc<AtomicBool>,
}

/// A piece of a reply.
#[derive(Debug)]
pub enum Said {
    /// The prompt is read: so many of its tokens were there already.
    Begun {
        /// They.
        found: usize,
    },
    /// A token.
    Token(Drawn),
    /// The end.
    Over(End),
}

/// Why a reply ended.
#[derive(Debug)]
pub enum End {
    /// A token that ends it.
    Stop,
    /// It has as many tokens as were asked for, or the context is full.
    Length,
    /// Something failed.
    Failed(EngineError),
}

/// What the engine is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Streams that are served.
    pub streams: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Pages.
    pub pages: Counts,
    /// Tokens of prompts that were computed.
    pub read: u64,
    /// Tokens that were drawn.
    pub drawn: u64,
    /// Tokens that were guessed.
    pub guessed: u64,
    /// Guesses that were right: each is a step less.
    pub accepted: u64,
    /// Steps.
    pub steps: u64,
    /// Seconds in steps.
    pub busy: f64,
}

/// A stream that is served, as who watches sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speaking {
    /// Which request it is, counted from the engine's beginning.
    pub number: u64,
    /// Tokens of its prompt.
    pub prompt: usize,
    /// Those whose keys and values were there already.
    pub found: usize,
    /// Tokens whose keys and values are computed, prompt and reply.
    pub computed: usize,
    /// Tokens of its reply.
    pub drawn: usize,
    /// Seconds since its first token.
    pub seconds: f64,
}

/// Sends requests to the thread. Dropping the last one ends it.
#[derive(Clone)]
pub struct Requests {
    asks: mpsc::Sender<Message>,
}

enum Message {
    Ask(Box<Ask>),
    Load(tokio::sync::oneshot::Sender<(Load, Vec<Speaking>)>),
}

impl Requests {
    /// Ask. The answer begins to come over the request's channel.
    ///
    /// # Errors
    /// Where the engine is gone.
    pub fn ask(&self, ask: Ask) -> Result<(), EngineError> {
        let sent = self.asks.send(Message::Ask(Box::new(ask)));
        sent.map_err(|_gone| EngineError::Computing("the engine has ended".into()))
    }

    /// What it is doing, as of the end of its present step.
    pub async fn load(&self) -> Load {
        self.look().await.0
    }

    /// The same, and each stream.
    pub async fn look(&self) -> (Load, Vec<Speaking>) {
        let (sender, told) = tokio::sync::oneshot::channel();
        let _ = self.asks.send(Message::Load(sender));
        told.await.unwrap_or_default()
    }
}

/// Start the thread. `ahead` is how many tokens are guessed at most; 0 guesses none.
///
/// # Errors
/// Where the system gives none.
pub fn start(compute: Box<dyn Compute>, pages: u32, ahead: usize) -> Result<Requests, EngineError> {
    let ahead = if compute.guesses() { ahead } else { 0 };
    // Not bounded: what waits in it is bounded by who asks (attempts at a time, the server's queue), and nobody may wait for it, the
    // screen's thread least of all.
    let (asks, receiver) = mpsc::channel();
    let schedule = Schedule {
        compute,
        tree: Tree::new(pages),
        pages,
        ahead,
        streams: Vec::new(),
        parked: Vec::new(),
        tight: false,
        waiting: VecDeque::new(),
        asked: 0,
        load: Load::default(),
    };
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            super::open::below_the_screen();
            schedule.serve(&receiver);
        })
        .map_err(|source| EngineError::File {
            path: "the engine's thread".into(),
            source,
        })?;
    Ok(Requests { asks })
}

struct Schedule {
    compute: Box<dyn Compute>,
    tree: Tree,
    pages: u32,
    ahead: usize,
    streams: Vec<Stream>,
    /// Streams that gave way ([`room`]): they hold no page.
    parked: Vec<Stream>,
    /// Somebody gave way, and nobody has taken a step since: who comes back now would take what was given up.
    tight: bool,
    waiting: VecDeque<Ask>,
    asked: u64,
    load: Load,
}

impl Schedule {
    fn serve(mut self, asks: &mpsc::Receiver<Message>) {
        loop {
            let idle = self.streams.is_empty() && self.parked.is_empty() && self.waiting.is_empty();
            if idle {
                match asks.recv() {
                    Ok(message) => self.hear(message),
                    Err(mpsc::RecvError) => return,
                }
            }
            while let Ok(message) = asks.try_recv() {
                self.hear(message);
            }
            let round = catch_unwind(AssertUnwindSafe(|| self.round()));
            let why = match round {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_panic) => "a step of the engine panicked".to_owned(),
            };
            for stream in std::mem::take(&mut self.streams) {
                let end = End::Failed(EngineError::Computing(why.clone()));
                let _ = stream.ask.reply.try_send(Said::Over(end));
            }
            // What is in the pages cannot be trusted any more.
            self.tree = Tree::new(self.pages);
            self.compute.forget();
        }
    }

    /// Who is gone goes, who waits comes, and all are taken a step further.
    fn round(&mut self) -> Result<(), EngineError> {
        self.let_go();
        if !self.tight || self.streams.is_empty() {
            self.admit();
        }
        if self.streams.is_empty() {
            return Ok(());
        }
        self.catch_up()?;
        let (shares, lacking) = self.shares();
        if shares.is_empty() {
            self.tight = lacking.is_some();
            match lacking {
                Some(oldest) => self.make_room(oldest),
                // All wait for their listeners.
                None => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
            return Ok(());
        }
        self.tight = false;
        let began = Instant::now();
        let step = self.step(&shares);
        self.load.steps += 1;
        self.load.busy += began.elapsed().as_secs_f64();
        step
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Ask(ask) => self.waiting.push_back(*ask),
            Message::Load(answer) => {
                let load = Load {
                    streams: self.streams.len(),
                    waiting: self.waiting.len() + self.parked.len(),
                    pages: self.tree.counts(),
                    ..self.load
                };
                let speaking = self.streams.iter().map(Stream::speaking).collect();
                let _ = answer.send((load, speaking));
            }
        }
    }

    /// Streams that nobody listens to any more.
    fn let_go(&mut self) {
        let gone = |ask: &Ask| ask.cancelled.load(Ordering::Relaxed) || ask.reply.is_closed();
        self.waiting.retain(|ask| !gone(ask));
        self.parked.retain(|stream| !gone(&stream.ask));
        let mut at = 0;
        while at < self.streams.len() {
            if self.streams.get(at).is_some_and(|stream| gone(&stream.ask)) {
                let stream = self.streams.remove(at);
                self.tree.end(stream.held);
            } else {
                at += 1;
            }
        }
    }

    fn admit(&mut self) {
        while self.streams.len() < self.compute.streams() {
            if !self.parked.is_empty() {
                if self.take_back() {
                    continue;
                }
                return;
            }
            let Some(ask) = self.waiting.pop_front() else {
                return;
            };
            if let Err(error) = self.check(&ask.prompt) {
                let _ = ask.reply.try_send(Said::Over(End::Failed(error)));
                continue;
            }
            let held = match self.begin(owner(&ask), &ask.prompt) {
                Ok(held) => held,
                Err(error) => {
                    let _ = ask.reply.try_send(Said::Over(End::Failed(error)));
                    continue;
                }
            };
            self.asked += 1;
            self.streams.push(Stream {
                sampler: Sampler::new(ask.settings.clone(), &ask.prompt),
                lookup: Lookup::new(&ask.prompt, self.ahead),
                text: ask.prompt.clone(),
                found: Some(held.length()),
                number: self.asked,
                there: held.length(),
                began: None,
                held,
                drawn: 0,
                ask,
            });
        }
    }

    /// A step computes many streams: what one of them may not have must not come as far as that.
    fn check(&self, prompt: &[u32]) -> Result<(), EngineError> {
        let config = self.compute.config();
        let (most, vocab) = (config.longest(), config.vocab);
        let room = self.pages as usize * PAGE;
        if prompt.is_empty() || prompt.len() >= most.min(room) {
            return Err(EngineError::TooLong(format!(
                "the request has {} tokens; there is room for {} (context {most}, cache {room})",
                prompt.len(),
                most.min(room)
            )));
        }
        let unknown = prompt.iter().find(|token| **token as usize >= vocab);
        unknown.map_or(Ok(()), |token| {
            Err(EngineError::Computing(format!(
                "token {token} is none of the {vocab} that the model knows"
            )))
        })
    }

    fn step(&mut self, shares: &[Share]) -> Result<(), EngineError> {
        let parts: Vec<Part<'_>> = shares
            .iter()
            .map(|share| Part {
                tokens: &share.tokens,
                past: share.past,
                pages: &share.pages,
                wanted: match (share.last, share.guessed) {
                    (false, _) => Wanted::None,
                    (true, 0) => Wanted::Last,
                    (true, _) => Wanted::All,
                },
            })
            .collect();
        let adapters: Vec<Option<Arc<Adapter>>> = shares
            .iter()
            .map(|share| self.streams.get(share.stream)?.ask.adapter.clone())
            .collect();
        let adapters: Vec<Option<&Adapter>> = adapters.iter().map(Option::as_deref).collect();
        let mut logits = self.compute.step(&parts, &adapters)?;
        let config = self.compute.config();
        let (vocab, context) = (config.vocab, config.longest());
        let mut rows = logits.chunks_exact_mut(vocab);
        let mut streams: Vec<Option<&mut Stream>> = self.streams.iter_mut().map(Some).collect();
        let mut turns: Vec<Turn<'_>> = Vec::new();
        for share in shares {
            let Some(stream) = streams.get_mut(share.stream).and_then(Option::take) else {
                continue;
            };
            if !stream.speaks() {
                self.load.read += share.tokens.len() as u64;
            }
            if !share.last {
                continue;
            }
            if let Some(found) = stream.found.take() {
                let _ = stream.ask.reply.try_send(Said::Begun { found });
            }
            let before = share.tokens.len() - share.guessed;
            turns.push(Turn {
                share,
                stream,
                guesses: share.tokens.get(before..).unwrap_or_default(),
                rows: rows.by_ref().take(share.guessed + 1).collect(),
                drawn: 0,
                accepted: 0,
                end: None,
            });
        }
        together(self.compute.pool(), &mut turns, |turn| turn.take(context))?;
        let mut over: Vec<(usize, End)> = Vec::new();
        for turn in turns {
            let Turn {
                share,
                stream,
                drawn,
                accepted,
                end,
                ..
            } = turn;
            self.load.drawn += drawn;
            self.load.guessed += share.guessed as u64;
            self.load.accepted += accepted as u64;
            stream.lookup.learn(share.guessed, accepted);
            self.tree.pop(&mut stream.held, share.guessed - accepted);
            over.extend(end.map(|end| (share.stream, end)));
        }
        self.settle(shares);
        over.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, end) in over {
            let stream = self.streams.remove(at);
            let _ = stream.ask.reply.try_send(Said::Over(end));
            self.tree.end(stream.held);
        }
        Ok(())
    }
}
