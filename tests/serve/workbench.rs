//! A model served from within the workbench: its executor carries the effect out, a client asks over a real socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spotter::app::effect::Effect;
use spotter::app::engines::Served;
use spotter::app::executor::{Executor, Folders, WAITING};
use spotter::app::news::News;
use spotter::engine::Precision;
use spotter::model::local::Local;
use spotter::trajectory::Store;
use tokio::sync::mpsc::Receiver;

use crate::client;
use crate::client::chat;
use crate::tiny_model;

/// What is served, as soon as there is news of it.
async fn told(news: &mut Receiver<News>) -> Option<Served> {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(120), news.recv()).await;
        if let News::Serving { served } = next.expect("it is told").unwrap() {
            return served;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_s_model_is_served_until_it_is_ended_and_what_is_none_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny");
    tiny_model::put(&path);
    let (sender, mut news) = tokio::sync::mpsc::channel(WAITING);
    let settings = spotter::config::Settings::default();
    let store = Store::open(folder.path().join("store")).unwrap();
    let mut executor = Executor::new(store, settings, Folders::default(), sender);

    let model = path.display().to_string();
    executor.carry_out(Effect::Serve { model });
    let served = told(&mut news).await.unwrap();
    assert_eq!(served.name, "tiny");
    let at = served.address.parse().unwrap();
    let models = client::get(at, "/v1/models").await;
    assert_eq!(models.status, 200);
    assert_eq!(models.json()["data"][0]["id"], "tiny");

    executor.carry_out(Effect::EndServing);
    assert_eq!(told(&mut news).await, None);
    assert!(tokio::net::TcpStream::connect(at).await.is_err());

    let model = "human".to_owned();
    executor.carry_out(Effect::Serve { model });
    assert_eq!(told(&mut news).await, None);
    let next = tokio::time::timeout(Duration::from_secs(60), news.recv()).await;
    let Ok(Some(News::Message { text, .. })) = next else {
        panic!("{next:?}");
    };
    assert!(text.starts_with("cannot serve: "), "{text}");
}

/// An adapter of the small model, in a folder of this name.
fn put_adapter(folder: &Path, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = from.join("tests/fixtures/models/qwen2/adapters/plain");
    let to = folder.join(name);
    std::fs::create_dir_all(&to).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    to
}

/// The next message.
async fn message(news: &mut Receiver<News>) -> String {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), news.recv()).await;
        if let News::Message { text, .. } = next.expect("it is told").unwrap() {
            return text;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_adapter_that_is_served_has_a_name_and_as_long_as_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small");
    tiny_model::put(&path);
    let own = put_adapter(folder.path(), "own");
    let of_attempt = put_adapter(folder.path(), "of-an-attempt");
    let called_alike = put_adapter(folder.path(), "other/small");
    // An attempt runs with an adapter of its own.
    let spec = format!("{}+{}", path.display(), of_attempt.display());
    let attempt = Local::open(&path, Precision::Stored, Some(&of_attempt), &spec);
    let _attempt = attempt.await.unwrap();
    let (sender, mut news) = tokio::sync::mpsc::channel(WAITING);
    let settings = spotter::config::Settings::default();
    let store = Store::open(folder.path().join("store")).unwrap();
    let mut executor = Executor::new(store, settings, Folders::default(), sender);
    let mut named = Vec::new();
    for adapter in [Some(&own), None] {
        let model = match adapter {
            Some(adapter) => format!("{}+{}", path.display(), adapter.display()),
            None => path.display().to_string(),
        };
        executor.carry_out(Effect::Serve { model });
        let served = told(&mut news).await.unwrap();
        let at = served.address.parse().unwrap();
        let models = client::get(at, "/v1/models").await.json();
        let listed = models["data"].as_array().unwrap().iter();
        let listed: Vec<String> = listed
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect();
        let mut body = chat("hello", serde_json::json!({"max_tokens": 1}));
        body["model"] = of_attempt.to_str().unwrap().into();
        let got = client::post(at, "/v1/chat/completions", &body).await;
        assert_eq!(got.status, 404, "{got:?}");
        let why = got.json()["error"]["message"].as_str().unwrap().to_owned();
        let known = format!("there are: {}", listed.join(", "));
        assert!(why.ends_with(&known), "{why}");
        named.push(listed);
        executor.carry_out(Effect::EndServing);
        assert_eq!(told(&mut news).await, None);
    }
    assert_eq!(named, [vec!["small", "own"], vec!["small"]]);
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(200), news.recv()).await {}
    let model = format!("{}+{}", path.display(), called_alike.display());
    executor.carry_out(Effect::Serve { model });
    assert_eq!(told(&mut news).await, None);
    let why = message(&mut news).await;
    assert!(why.contains("called like its model"), "{why}");
}
