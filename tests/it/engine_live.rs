//! The engine behind the screens goes to the past and back: nothing can be changed there.

use std::sync::Arc;
use std::time::Duration;

use sagetop::config;
use sagetop::domain::{Clean, Timestamp};
use sagetop::engine::{self, Engine, EngineEvent, Request, Snapshot};
use sagetop::remedy::{Ask, Standing, Told};
use tokio::sync::mpsc;

/// Nothing answers at this address, so that only what is stored counts: nothing.
const CONFIG: &str = r#"
[contexts.shop]
[contexts.shop.prometheus]
url = "http://127.0.0.1:1"
[[contexts.shop.slo]]
name = "web p99"
service = "web"
quantile = 0.99
objective = "90ms"
source = { type = "histogram", metric = "h", unit = "s" }
"#;

struct Screens {
    events: mpsc::Receiver<EngineEvent>,
    requests: mpsc::Sender<Request>,
}

impl Screens {
    async fn until<T>(&mut self, mut wanted: impl FnMut(EngineEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = wanted(self.events.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.unwrap()
    }

    async fn snapshot(&mut self, at: Option<Timestamp>) -> Arc<Snapshot> {
        self.until(|event| match event {
            EngineEvent::Snapshot(s) if s.frozen.then_some(s.at) == at => Some(s),
            _ => None,
        })
        .await
    }

    async fn standing(&mut self) -> Standing {
        self.until(|event| match event {
            EngineEvent::Remedy(Told::Standing(standing)) => Some(standing),
            _ => None,
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_to_the_past_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let config = config::load(&file).unwrap();
    let context = config.context(None).unwrap().clone();
    let engine = Arc::new(Engine::open(&config, &context, folder.path()).unwrap());
    let (to_screens, events) = mpsc::channel(64);
    let (requests, from_screens) = mpsc::channel(16);
    let running = tokio::spawn(engine::live(engine, None, from_screens, to_screens));
    let mut screens = Screens { events, requests };

    let present = screens.snapshot(None).await;
    let then: Timestamp = "2026-03-01T18:05:00Z".parse().unwrap();
    screens.requests.send(Request::At(Some(then))).await.unwrap();
    let Standing::Off(why) = screens.standing().await else { panic!("the past could be changed") };
    assert!(!why.as_str().is_empty());
    let past = screens.snapshot(Some(then)).await;
    assert!(past.version > present.version);

    let ask = Request::Remedy(Ask::Propose(Clean::new("web p99")));
    screens.requests.send(ask).await.unwrap();
    let refused = |event| match event {
        EngineEvent::Remedy(Told::Refused { why, .. }) => Some(why),
        _ => None,
    };
    screens.until(refused).await;

    screens.requests.send(Request::History).await.unwrap();
    let history = |event| match event {
        EngineEvent::History(history) => Some(history),
        _ => None,
    };
    assert!(screens.until(history).await.incidents.is_empty());

    screens.requests.send(Request::At(None)).await.unwrap();
    assert!(screens.snapshot(None).await.version > past.version);
    drop(screens);
    running.await.unwrap();
}
