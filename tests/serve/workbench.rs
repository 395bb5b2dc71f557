//! A model served from within the workbench: its executor carries the effect out, a client asks over a real socket.

use std::time::Duration;

use spotter::app::effect::Effect;
use spotter::app::engines::Served;
use spotter::app::executor::{Executor, Folders, WAITING};
use spotter::app::news::News;
use spotter::trajectory::Store;
use tokio::sync::mpsc::Receiver;

use crate::client;
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
