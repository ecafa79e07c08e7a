//! A real Prometheus over the synthetic telemetry, on a free port of the loopback.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{app, openmetrics};

/// Ends with its standard input, that is, with the test process, however that ends: statics are not
/// dropped. Cleans up after itself.
const KEEPER: &str = r#"dir=$1; shift; "$@" & cat >/dev/null; kill -9 $!; wait; rm -rf "$dir""#;

/// A running server over its own copy of the data.
pub struct Prometheus {
    pub url: String,
    keeper: Child,
}

/// The server over the whole recording, shared by all tests; `None` without the programs.
pub fn shared() -> Option<&'static Prometheus> {
    static SHARED: OnceLock<Option<Prometheus>> = OnceLock::new();
    SHARED.get_or_init(|| Some(Prometheus::over(blocks()?))).as_ref()
}

/// The recording as blocks, made once.
pub fn blocks() -> Option<&'static Path> {
    static BLOCKS: OnceLock<Option<PathBuf>> = OnceLock::new();
    BLOCKS.get_or_init(|| build("whole", app::END)).as_deref()
}

/// The recording up to `until` as blocks.
pub fn build(name: &str, until: i64) -> Option<PathBuf> {
    if is_missing() {
        return None;
    }
    let folder = scratch().join(name);
    let (input, data) = (folder.join("in.om"), folder.join("data"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&input, openmetrics::text(until)).unwrap();
    let built = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&input, &data])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    std::fs::remove_file(&input).unwrap();
    Some(data)
}

/// Says so when the programs are not there.
pub fn is_missing() -> bool {
    let Some(missing) = ["prometheus", "promtool"].iter().find(|program| !is_there(program)) else {
        return false;
    };
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Not `eprintln!`, which a passing test does not show.
    let skipped = format!("skipped {test} and its like: no `{missing}` here; tests/run installs it\n");
    std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
    true
}

fn is_there(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// A folder for this run that goes away with the process.
pub fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (folder, _) = SCRATCH.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("sagetop-it-").tempdir().unwrap().keep();
        let keeper = keep(&folder, Command::new("true"));
        (folder, keeper)
    });
    folder
}

/// Runs `program` until this process ends, then removes `folder`.
fn keep(folder: &Path, program: Command) -> Child {
    Command::new("sh")
        .args(["-c", KEEPER, "sh"])
        .arg(folder)
        .arg(program.get_program())
        .args(program.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Prometheus {
    /// Serves a copy (of hard links: blocks are never written to) of `blocks`.
    pub fn over(blocks: &Path) -> Self {
        Self::start("", &[], |data| {
            let copied = Command::new("cp").arg("-rl").args([blocks, data]).status().unwrap();
            assert!(copied.success());
        })
    }

    /// Serves nothing yet, but takes samples by remote write.
    pub fn empty() -> Self {
        Self::start("", &["--web.enable-remote-write-receiver"], |_| {})
    }

    /// Scrapes what `config` says.
    pub fn scraping(config: &str) -> Self {
        Self::start(config, &[], |_| {})
    }

    fn start(text: &str, options: &[&str], fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("sagetop-prometheus-").tempdir().unwrap().keep();
        let data = folder.join("data");
        fill(&data);
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, text).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut program = Command::new("prometheus");
        program
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error")
            .args(options);
        let keeper = keep(&folder, program);
        let server = Self { url: format!("http://127.0.0.1:{port}"), keeper };
        let started = Instant::now();
        while !is_ready(port) {
            assert!(started.elapsed() < Duration::from_secs(60), "Prometheus does not get ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Kills it at once and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.end();
    }
}

fn is_ready(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.0 200"))
    };
    ask().unwrap_or(false)
}
