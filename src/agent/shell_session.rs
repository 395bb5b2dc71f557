//! A shell that lives on between calls: one bash in a terminal of the sandbox.
//!
//! Mental model: [`ShellSession::run`] types a command and listens until its end mark comes ([`super::shell_wire`]), it has been
//! quiet for long, its time is over, the shell is gone, or somebody cancels. A command that is quiet goes on: the next call
//! listens further, types into it, or interrupts it. When its time is over it is interrupted as a person would do it, ever harder; if
//! that does not help the whole session is killed. Whoever asks is always told which of these it was.
//!
//! Not here: words for the model ([`super::hands`]).

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::scaffold_file;
use super::shell_wire::{self, Marks};
use crate::sandbox::{Bounded, Chunk, Sandbox, SandboxError, Shell, Stream};

/// Width and height that programs inside see: wide, so that they wrap little.
const SIZE: (u16, u16) = (160, 50);
/// How long a shell may take to come up.
const START: Duration = Duration::from_secs(30);
/// How long a process may take to act on each kind of interrupt.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// The same after a cancel: somebody waits, and the session is not needed any more.
pub(super) const CANCEL_GRACE: Duration = Duration::from_millis(40);
/// How long a prompt may take to follow its first mark.
const PROMPT: Duration = Duration::from_millis(60);
/// Ctrl+C twice, then ctrl+\, which few programs catch.
const INTERRUPTS: [&[u8]; 3] = [b"\x03", b"\x03", b"\x1c"];

/// How a call to the session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With this exit status.
    Exited(i32),
    /// The command goes on.
    Running,
    /// The time was over: interrupted, with this exit status; or `None`: only killing the session helped.
    TimedOut(Option<i32>),
    /// Cancelled; `true` where the session had to be killed.
    Cancelled(bool),
    /// The shell itself ended.
    Closed,
}

impl End {
    /// Whether the session can be used no longer.
    pub(super) fn lost(self) -> bool {
        matches!(
            self,
            Self::Closed | Self::TimedOut(None) | Self::Cancelled(true)
        )
    }
}

/// What a call brought.
#[derive(Debug)]
pub(super) struct Said {
    /// Output since the call before.
    pub(super) out: Bounded,
    /// How it ended.
    pub(super) end: End,
}

/// How long to wait, how much to keep, and who listens.
pub(super) struct Listen<'a> {
    /// Silence after which a command is left to itself; `None`: never.
    pub(super) quiet: Option<Duration>,
    /// Time for one command, over all the calls that wait for it.
    pub(super) limit: Duration,
    /// Bytes of output to keep.
    pub(super) keep: usize,
    /// Gets every byte of output. When full, the command waits.
    pub(super) live: &'a mpsc::Sender<Chunk>,
    /// Ends it.
    pub(super) cancel: &'a CancellationToken,
    /// How long the command may take to act on each interrupt after that, before the session is killed.
    pub(super) grace: Duration,
}

enum Heard {
    Ended(i32),
    Quiet,
    Late,
    Closed,
    Cancelled,
}

/// A running shell.
pub(super) struct ShellSession {
    shell: Box<dyn Shell>,
    marks: Marks,
    running: bool,
    spent: Duration,
    status: i32,
}

impl ShellSession {
    /// Start one in the workspace. Where the scaffold's startup ends the shell (it may run a file that the agent wrote), it
    /// is left out.
    pub(super) async fn open(
        sandbox: &dyn Sandbox,
        settings: &scaffold_file::Shell,
        cancel: &CancellationToken,
    ) -> Result<Self, SandboxError> {
        let mut session = Self::bare(sandbox, settings, cancel).await?;
        if settings.startup.is_empty() {
            return Ok(session);
        }
        let said = session.unseen(&settings.startup, cancel).await?;
        if said.end.lost() && !cancel.is_cancelled() {
            session.close().await;
            return Self::bare(sandbox, settings, cancel).await;
        }
        session.status = 0;
        Ok(session)
    }

    async fn bare(
        sandbox: &dyn Sandbox,
        settings: &scaffold_file::Shell,
        cancel: &CancellationToken,
    ) -> Result<Self, SandboxError> {
        let argv = [
            "bash",
            "--noprofile",
            "--norc",
            "--noediting",
            "+o",
            "history",
            "-i",
        ];
        let env = settings.env.clone().into_iter().collect();
        let shell = sandbox
            .shell(argv.map(String::from).to_vec(), env, SIZE)
            .await?;
        let mut session = Self {
            shell,
            marks: Marks::new(),
            running: false,
            spent: Duration::ZERO,
            status: 0,
        };
        let said = session.unseen("set +H", cancel).await?;
        if matches!(said.end, End::Exited(_) | End::Cancelled(_)) {
            return Ok(session);
        }
        session.close().await;
        Err(SandboxError::Gone(format!(
            "no shell came up in it within {} seconds; it said: {}",
            START.as_secs(),
            said.out.text().trim()
        )))
    }

    /// Run something of spotter's own.
    async fn unseen(
        &mut self,
        command: &str,
        cancel: &CancellationToken,
    ) -> Result<Said, SandboxError> {
        let (live, _) = mpsc::channel(1);
        let how = Listen {
            quiet: None,
            limit: START,
            keep: 4096,
            live: &live,
            cancel,
            grace: CANCEL_GRACE,
        };
        self.run(command, &how).await
    }

    /// Whether a command is still going.
    pub(super) fn busy(&self) -> bool {
        self.running
    }

    /// Run a command. The session must not be busy.
    pub(super) async fn run(
        &mut self,
        command: &str,
        how: &Listen<'_>,
    ) -> Result<Said, SandboxError> {
        let mut out = Bounded::new(how.keep);
        if self.drain().await? {
            return Ok(Said {
                out,
                end: End::Closed,
            });
        }
        let nonce = shell_wire::nonce();
        let typed = shell_wire::typed(command, &nonce, self.status);
        let late = self.marks.begin(nonce);
        out.push(&late);
        tell(how.live, late, how.cancel).await;
        self.running = true;
        self.spent = Duration::ZERO;
        let typing = async {
            tokio::select! {
                done = self.shell.input(typed.as_bytes()) => Some(done),
                () = how.cancel.cancelled() => None,
                () = tokio::time::sleep(how.limit) => None,
            }
        };
        match typing.await {
            Some(Ok(())) => self.wait(out, how).await,
            Some(Err(_)) => Ok(Said {
                out,
                end: End::Closed,
            }),
            // Half a line is typed: this session cannot be trusted any more.
            None => {
                self.close().await;
                let end = if how.cancel.is_cancelled() {
                    End::Cancelled(true)
                } else {
                    End::TimedOut(None)
                };
                Ok(Said { out, end })
            }
        }
    }

    /// Type into the running command (nothing: only listen).
    pub(super) async fn type_in(
        &mut self,
        bytes: &[u8],
        how: &Listen<'_>,
    ) -> Result<Said, SandboxError> {
        let out = Bounded::new(how.keep);
        if !bytes.is_empty() {
            // Somebody attends to it, so its time begins anew.
            self.spent = Duration::ZERO;
            if matches!(timeout(GRACE, self.shell.input(bytes)).await, Ok(Err(_))) {
                return Ok(Said {
                    out,
                    end: End::Closed,
                });
            }
        }
        let mut said = self.wait(out, how).await?;
        let interrupts = bytes == b"\x03" && matches!(said.end, End::Exited(_));
        if interrupts && !self.settled().await {
            said.end = End::Closed;
        }
        Ok(said)
    }

    /// Kill it and all that it started.
    pub(super) async fn close(&mut self) {
        let _ = timeout(START, self.shell.close()).await;
    }

    async fn wait(&mut self, mut out: Bounded, how: &Listen<'_>) -> Result<Said, SandboxError> {
        let left = how.limit.saturating_sub(self.spent);
        let end = match self.listen(&mut out, how, how.quiet, left).await? {
            Heard::Ended(status) => End::Exited(status),
            Heard::Quiet => End::Running,
            Heard::Closed => End::Closed,
            Heard::Late => End::TimedOut(self.stop(&mut out, how, &INTERRUPTS, GRACE).await?),
            Heard::Cancelled => {
                let calm = CancellationToken::new();
                let how = Listen {
                    cancel: &calm,
                    ..*how
                };
                let stopped = self
                    .stop(&mut out, &how, &INTERRUPTS[..2], how.grace)
                    .await?;
                End::Cancelled(stopped.is_none())
            }
        };
        Ok(Said { out, end })
    }

    /// Interrupt until the command ends, else kill the session (`None`).
    async fn stop(
        &mut self,
        out: &mut Bounded,
        how: &Listen<'_>,
        interrupts: &[&[u8]],
        grace: Duration,
    ) -> Result<Option<i32>, SandboxError> {
        for interrupt in interrupts {
            if !matches!(
                timeout(grace, self.shell.input(interrupt)).await,
                Ok(Ok(()))
            ) {
                break;
            }
            match self.listen(out, how, None, grace).await? {
                Heard::Ended(status) if self.settled().await => return Ok(Some(status)),
                Heard::Ended(_) | Heard::Closed | Heard::Cancelled => break,
                Heard::Quiet | Heard::Late => {}
            }
        }
        self.close().await;
        Ok(None)
    }

    async fn listen(
        &mut self,
        out: &mut Bounded,
        how: &Listen<'_>,
        quiet: Option<Duration>,
        limit: Duration,
    ) -> Result<Heard, SandboxError> {
        let began = Instant::now();
        let mut last = began;
        let heard = loop {
            let late = began + limit;
            let until = quiet.map_or(late, |quiet| late.min(last + quiet));
            let piece = tokio::select! {
                biased;
                () = how.cancel.cancelled() => break Heard::Cancelled,
                // Before output: a command that never stops printing must meet its limit as well.
                () = tokio::time::sleep_until(until) => {
                    break if Instant::now() >= late { Heard::Late } else { Heard::Quiet };
                }
                piece = self.shell.output() => piece,
            };
            let Ok(Some(piece)) = piece else {
                let rest = self.marks.flush();
                out.push(&rest);
                tell(how.live, rest, how.cancel).await;
                self.running = false;
                break Heard::Closed;
            };
            last = Instant::now();
            let (kept, ended) = self.marks.feed(&piece);
            out.push(&kept);
            tell(how.live, kept, how.cancel).await;
            if let Some(status) = ended {
                self.running = false;
                self.status = status;
                break Heard::Ended(status);
            }
        };
        self.spent += began.elapsed();
        Ok(heard)
    }

    /// Whether the shell really reads again after an interrupt.
    ///
    /// An interrupt that meets bash while it forks makes it forget the child, which keeps the terminal: bash says that the command is
    /// over and then waits for the terminal for ever. A second interrupt reaches that child.
    async fn settled(&mut self) -> bool {
        let (before, _) = self.marks.ends();
        for interrupt in [None, Some(b"\x03"), Some(b"\x03")] {
            if let Some(key) = interrupt
                && !matches!(timeout(GRACE, self.shell.input(key)).await, Ok(Ok(())))
            {
                return false;
            }
            let until = Instant::now() + PROMPT;
            loop {
                let (ends, prompt) = self.marks.ends();
                if prompt || ends > before {
                    return true;
                }
                match tokio::time::timeout_at(until, self.shell.output()).await {
                    Ok(Ok(Some(piece))) => drop(self.marks.feed(&piece)),
                    Ok(_) => return false,
                    Err(_later) => break,
                }
            }
        }
        false
    }

    /// Take in what has come since the last command ended; whether the shell is gone.
    async fn drain(&mut self) -> Result<bool, SandboxError> {
        let until = Instant::now() + Duration::from_millis(20);
        while let Ok(piece) = timeout(Duration::from_millis(1), self.shell.output()).await {
            let Ok(Some(piece)) = piece else {
                return Ok(true);
            };
            self.marks.feed(&piece);
            if Instant::now() > until {
                break;
            }
        }
        Ok(false)
    }
}

/// Pass output on. A full channel makes the command wait; a closed one is no error.
async fn tell(live: &mpsc::Sender<Chunk>, bytes: Vec<u8>, cancel: &CancellationToken) {
    if bytes.is_empty() {
        return;
    }
    let chunk = Chunk {
        stream: Stream::Pty,
        bytes,
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => {}
        _ = live.send(chunk) => {}
    }
}
