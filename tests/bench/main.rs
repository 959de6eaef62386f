//! First readings, by `cargo bench`: how fast, how large. In about a minute, on loopback, on the
//! disk that temporary directories are on.
#![expect(clippy::unwrap_used, reason = "a reading that cannot be taken ends the bench")]

mod clients;
#[path = "../it/real/kit.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod kit;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use jiff::Timestamp;
use kit::{Home, Server};
use tokio::runtime::{Builder, Runtime};

const SENDS: usize = 100;
const WARM_UPS: usize = 10;
const LINES: usize = 100_000;
const REPEATS: usize = 5;
const LISTENERS: usize = 1_000;
const IDLE: Duration = Duration::from_secs(5);
const ROUNDS: usize = 2_000;

fn main() {
    // `cargo test` starts benches too, to see that they do.
    if env::args().any(|argument| argument == "--bench") {
        conditions();
        one_send();
        bulk();
        one_round();
        idle_listeners();
    }
}

fn conditions() {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let (cores, date) = (thread::available_parallelism().unwrap(), Timestamp::now().as_second());
    let date = Timestamp::from_second(date).unwrap();
    println!("{date}, Linux {}, {cores} cores, load {}", kernel.trim(), load.trim());
}

fn row(what: &str, reading: &str) {
    println!("{what:<58} {reading:>26}");
}

/// A whole process each time, so the cheapest process there is stands beside it.
fn one_send() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let send = || home.command(&["send", "bob", "hello", "--as", "alice"]);
    let programs: [(&str, &dyn Fn() -> Command); 3] = [
        ("start of a process: /bin/true", &|| home.program::<&str>("/bin/true", &[])),
        ("start of qmsg: --version", &|| home.command(&["--version"])),
        ("send, whole process, until it is on the server's disk", &send),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..WARM_UPS + SENDS {
        for ((_, program), times) in programs.iter().zip(&mut times) {
            let mut command = program();
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            assert!(command.status().unwrap().success());
            times.push(start.elapsed());
        }
    }
    for ((what, _), mut times) in programs.into_iter().zip(times) {
        times.drain(..WARM_UPS);
        let (median, p95) = (quantile(&mut times, 0.5), quantile(&mut times, 0.95));
        row(what, &format!("median {} p95 {}", ms(median), ms(p95)));
    }
}

/// One pipe of lines in, one out; bob's mailbox takes just as many.
fn bulk() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let send = format!("seq {LINES} | qmsg send -l bob --as alice");
    let listen = format!("qmsg listen -n {LINES} --as bob > /dev/null");
    let both = format!("{listen} & {send} && wait $!");
    let lines = [
        ("send -l, 100,000 lines", &send),
        ("listen, the same 100,000", &listen),
        ("both at once, until listen has all", &both),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..REPEATS {
        for ((_, line), times) in lines.iter().zip(&mut times) {
            let start = Instant::now();
            home.shell(line).ok();
            times.push(start.elapsed());
        }
    }
    for ((what, _), mut times) in lines.into_iter().zip(times) {
        let rate = |time: Duration| (LINES as f64 / time.as_secs_f64() / 1e3).round();
        let (best, median) = (quantile(&mut times, 0.0), quantile(&mut times, 0.5));
        row(what, &format!("{} k/s, best {}", rate(median), rate(best)));
    }
    server.stop("TERM");
}

/// From one client to another, both already there.
fn one_round() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut times = runtime().block_on(clients::rounds(&server, WARM_UPS + ROUNDS));
    times.drain(..WARM_UPS);
    let (median, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    row("send to listen between lasting clients", &format!("p50 {} p99 {}", ms(median), ms(p99)));
    server.stop("TERM");
}

/// The server is started anew between joining and listening, so that it has nothing from before.
fn idle_listeners() {
    let home = Home::new();
    let server = home.serve(&[]);
    let runtime = runtime();
    let identities = runtime.block_on(clients::join(&server, LISTENERS));
    server.stop("TERM");
    let server = home.serve(&[]);
    let before = resident_kib(&server);
    row("serve, nobody there", &format!("{before} KiB"));
    let (listening, busy) = runtime.block_on(async {
        let listeners = clients::listen(&server, identities).await;
        let (resident, cpu) = (resident_kib(&server), cpu(&server));
        listeners.stay_silent(IDLE).await;
        (resident, self::cpu(&server) - cpu)
    });
    row("serve, 1,000 idle listeners", &format!("{listening} KiB"));
    let each = (listening - before) as f64 / LISTENERS as f64;
    row("  each", &format!("{each:.1} KiB"));
    row("  all, CPU time over 5 s", &ms(busy));
    server.stop("TERM");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part).round() as usize]
}

fn resident_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Time on a processor, of all its threads.
fn cpu(server: &Server) -> Duration {
    let threads = fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    let nanoseconds = threads.map(|thread| {
        let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanoseconds.sum())
}
