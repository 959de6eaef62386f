//! Many clients at once: a server that cannot answer soon must not get the same request again and
//! again. `PROOF_CROWD` makes the crowd larger.

use std::fs::{File, OpenOptions};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use qmsg::wire::CloseCode;

use super::kit::{Home, Server};
use super::sweep;
use super::wait::pause;
use crate::chance::number;
use crate::quic::raw::Raw;

/// Bounds for the return of a crowd, and for its arrival.
const SOON: Duration = Duration::from_secs(10);
const LATE: Duration = Duration::from_secs(120);
/// A server with a share of a CPU: it runs this long, then is stopped this long.
const RUNS: Duration = Duration::from_millis(15);
const STOPPED: Duration = Duration::from_millis(85);

fn crowd() -> usize {
    number("PROOF_CROWD", 300) as usize
}

/// Processes that write their stderr to one file.
struct Crowd {
    home: Home,
    children: Vec<Child>,
}

impl Crowd {
    fn new() -> Self {
        Self { home: Home::new(), children: Vec::new() }
    }

    fn log(&self) -> File {
        let path = self.home.path().join("log");
        OpenOptions::new().append(true).create(true).open(path).unwrap()
    }

    fn start(&mut self, mut command: Command) {
        command.stdout(Stdio::null()).stderr(self.log());
        self.children.push(command.spawn().unwrap());
    }

    /// Number of times that the text was printed.
    fn said(&self, text: &str) -> usize {
        let log = std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
        log.matches(text).count()
    }

    /// Time until the text was printed this many times.
    fn until_said(&self, text: &str, times: usize) -> Duration {
        let begun = Instant::now();
        while self.said(text) < times {
            assert!(begun.elapsed() < LATE, "{} of {times} said {text:?}", self.said(text));
            pause(Duration::from_millis(50));
        }
        begun.elapsed()
    }

    /// Waits for all processes; returns their exit codes.
    fn codes(&mut self) -> Vec<Option<i32>> {
        self.children.drain(..).map(|mut child| child.wait().unwrap().code()).collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server that is stopped most of the time, until this is dropped.
struct Slow {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Slow {
    fn new(server: &Server) -> Self {
        let (over, id) = (Arc::new(AtomicBool::new(false)), server.child.id());
        let wanted = Arc::clone(&over);
        let signal = move |name| {
            sweep::signal(id, name);
        };
        let thread = thread::spawn(move || {
            while !wanted.load(Ordering::SeqCst) {
                signal("STOP");
                pause(STOPPED);
                signal("CONT");
                pause(RUNS);
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(self.thread.take().map(thread::JoinHandle::join));
    }
}

#[test]
fn all_simultaneous_senders_succeed() {
    let mut crowd = Crowd::new();
    let server = crowd.home.serve(&[]);
    crowd.home.join(&server, &["alice", "bob"]);
    let count = self::crowd();
    let begun = Instant::now();
    for number in 0..count {
        let body = format!("number {number}");
        let to = ["send", "bob", "--as", "alice", "-q", "-s", &server.address, &body];
        let command = crowd.home.command(&to);
        crowd.start(command);
    }
    let started = begun.elapsed();
    let failed = crowd.codes().into_iter().filter(|code| *code != Some(0)).count();
    println!("{count} sends, started in {started:.1?}: done in {:.1?}", begun.elapsed());
    let log = std::fs::read_to_string(crowd.home.path().join("log")).unwrap();
    assert_eq!(failed, 0, "{}", log.lines().take(6).collect::<Vec<_>>().join("\n"));
    let said = crowd.home.run(&["listen", "--as", "bob", "--poll"]).ok();
    assert_eq!(said.lines().count(), count);
}

/// Restarts the server under a crowd of listeners; returns the time until all are back.
fn back(count: usize, slow: bool) -> Duration {
    let mut crowd = Crowd::new();
    let server = crowd.home.serve(&[]);
    crowd.home.join(&server, &["bob"]);
    let address = server.address.clone();
    for _ in 0..count {
        let command = crowd.home.command(&["listen", "-v", "--new", "--as", "bob"]);
        crowd.start(command);
    }
    let came = crowd.until_said("caught up", count);
    super::wait::until_file(&crowd.home.data().join("links"), |text| text.lines().count() >= count);
    server.kill();
    let server = crowd.home.serve_on(&address, &[]);
    let _slow = slow.then(|| Slow::new(&server));
    let took = crowd.until_said("caught up", 2 * count);
    let how = if slow { "with 15 % of a core" } else { "with a core" };
    println!("{count} listeners, there in {came:.1?}, are back in {took:.1?} {how}");
    took
}

/// A server that ends or refuses every link because it is overloaded.
#[test]
fn an_overloaded_server_is_not_taken_for_another_protocol() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for code in [CloseCode::Busy, CloseCode::TooSlow, CloseCode::Stopping, CloseCode::Done] {
        for refuses in [false, true] {
            let (server, address) = runtime.block_on(async { Raw::default().server() });
            let ends = runtime.spawn(async move {
                while let Some(incoming) = server.accept().await {
                    if refuses {
                        incoming.refuse();
                    } else if let Ok(connection) = incoming.await {
                        connection.close(code.number().into(), b"");
                    }
                }
            });
            let home = Home::new();
            let args = ["join", "bob", "-s", &address.to_string(), "--timeout", "1s"];
            home.run(&args).code(69);
            ends.abort();
        }
    }
}

#[test]
fn all_listeners_are_back_at_once() {
    let took = back(crowd(), false);
    assert!(took < SOON, "{took:?}");
}

#[test]
fn all_listeners_are_back_soon_on_a_slow_server() {
    // A handshake costs the same CPU time whatever the server's share of a CPU. That cost is
    // bounded here, with a margin for other load on the machine.
    let took = back(crowd() / 3, true);
    assert!(took < SOON, "{took:?}");
}
