//! What one command can reach: every probe of `reach.py`, and which of them succeed.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

use spotter::sandbox::{Exec, Limits};

use crate::place::{Place, Where};

/// Names of the probes that reached what they should not, in the order of the list.
pub(crate) async fn probe(at: Where) -> Vec<String> {
    let it = Place::new(at, Limits::default()).await;
    // Things of this machine that a test can be harmed without harm: a secret, listeners, another rollout's state.
    let outside = it.keep.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let secret = outside.join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let other = it.keep.path().join("other-rollout");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("events.jsonl"), "{}").unwrap();
    let _named = UnixListener::bind(outside.join("socket")).unwrap();
    let _datagram = UnixDatagram::bind(outside.join("datagram")).unwrap();
    let name = format!("spotter-hostile-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = serde_json::json!({
        "abstract": name,
        "socket": outside.join("socket"),
        "datagram": outside.join("datagram"),
        "port": tcp.local_addr().unwrap().port(),
        "secret": secret,
        "folder": outside,
        "other": other,
        "pids": [std::process::id()],
        // With an IPC namespace it ends with the sandbox.
        "ipc": at == Where::Landlock,
    });
    let program = include_str!("reach.py");
    let argv = ["python3", "-c", program, &host.to_string()];
    let exec = Exec::new(argv.map(String::from).to_vec(), Duration::from_secs(120));
    let ran = it.sandbox.exec(exec, None).await.unwrap();
    let said = ran.stdout.text();
    println!("{said}{}", ran.stderr.text());
    assert!(
        said.lines().count() > 70,
        "not every probe ran: {said}{}",
        ran.stderr.text()
    );
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    it.sandbox.stop().await.unwrap();
    said.lines()
        .filter_map(|line| line.split_once("\tGOT"))
        .map(|(name, _)| name.to_owned())
        .collect()
}
