//! The control socket of a running rollout: a Unix socket in its folder, one JSON operation a line, one answer a line.
//!
//! A path to a socket may have 107 bytes at most; stores lie deeper than that. Both sides therefore name it through an
//! open descriptor of the folder (`/proc/self/fd/N/control.sock`).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::control::{Answer, Op, Remote};

/// Name of the socket in a rollout's folder.
pub const NAME: &str = "control.sock";

/// An operation longer than this is refused unread.
const LONGEST: usize = 4 << 20;

/// The socket of a running rollout; gone when dropped.
pub struct Control {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Control {
    /// Listen in a rollout's folder.
    pub fn listen(folder: &Path, remote: Remote) -> std::io::Result<Self> {
        let path = folder.join(NAME);
        let _ = std::fs::remove_file(&path);
        let (short, _open) = short_path(folder)?;
        let listener = UnixListener::bind(short)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, remote.clone()));
            }
        });
        Ok(Self { path, task })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(stream: UnixStream, remote: Remote) {
    use tokio::io::AsyncReadExt;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        let got = (&mut read).take(LONGEST as u64).read_line(&mut line).await;
        let answer = match got {
            Ok(0) | Err(_) => return,
            Ok(_) if !line.ends_with('\n') && line.len() >= LONGEST => {
                Answer::refused("that operation is too long")
            }
            Ok(_) => match serde_json::from_str::<Op>(&line) {
                Ok(op) => remote.ask(op).await,
                Err(error) => Answer::refused(format!("not an operation: {error}")),
            },
        };
        let Ok(mut text) = serde_json::to_vec(&answer) else {
            return;
        };
        text.push(b'\n');
        if write.write_all(&text).await.is_err() {
            return;
        }
    }
}

/// Ask a running rollout from another process.
pub async fn ask(folder: &Path, op: &Op) -> std::io::Result<Answer> {
    let (short, _open) = short_path(folder)?;
    let stream = UnixStream::connect(short).await?;
    let (read, mut write) = stream.into_split();
    let mut text = serde_json::to_vec(op)?;
    text.push(b'\n');
    write.write_all(&text).await?;
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).await?;
    serde_json::from_str(&line).map_err(|error| {
        let what = if line.is_empty() {
            "it ended before it answered".into()
        } else {
            error.to_string()
        };
        std::io::Error::other(what)
    })
}

fn short_path(folder: &Path) -> std::io::Result<(PathBuf, File)> {
    let open = File::open(folder)?;
    Ok((
        PathBuf::from(format!("/proc/self/fd/{}/{NAME}", open.as_raw_fd())),
        open,
    ))
}
