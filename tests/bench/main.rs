//! Quick readings of speed and size, by `cargo bench`: about a minute, on loopback, on the disk of
//! the directory for temporary files.
#![expect(clippy::unwrap_used, reason = "a reading that cannot be taken ends the bench")]

#[expect(dead_code, reason = "growth uses the rest")]
mod filling;
#[path = "../it/real/kit.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod kit;
mod store;
#[path = "../it/real/sweep.rs"]
mod sweep;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use jiff::Timestamp;
use kit::Home;
use serde_json::Value;

const SENDS: usize = 100;
const WARM_UPS: usize = 10;
const LINES: usize = 100_000;
const REPEATS: usize = 5;

fn main() {
    // `cargo test` starts benches too, only to see that they start.
    if env::args().any(|argument| argument == "--bench") {
        conditions();
        store::all();
        if env::args().any(|argument| argument == "store") {
            return;
        }
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

/// Time of a `send`, which is a process of its own, beside the time of the cheapest process.
fn one_send() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let send = || home.command(&["send", "bob", "--as", "alice", "hello"]);
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

/// Lines piped into one `send` and out of one `listen`. Bob's mailbox holds exactly that many.
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

/// Round trips between two connected clients.
fn one_round() {
    let figures = bench(&["latency", "-n", "2000"]);
    let [p50, p99] = ["p50_us", "p99_us"].map(|key| figures[key].as_f64().unwrap() / 1e3);
    row("send to listen between lasting clients", &format!("p50 {p50:.2} ms p99 {p99:.2} ms"));
}

fn idle_listeners() {
    let figures = bench(&["idle", "--receivers", "1000", "--time", "5s"]);
    row("serve, nobody there", &format!("{} KiB", figures["server_rss_empty_kib"]));
    row("serve, 1,000 idle listeners", &format!("{} KiB", figures["server_rss_kib"]));
    row("  each", &format!("{} KiB", figures["server_kib_each"]));
    row("  all, share of a CPU", &format!("{} %", figures["server_cpu_percent"]));
}

/// Figures of `qmsg bench` with a server of its own.
fn bench(args: &[&str]) -> Value {
    let figures = Home::new().run(&[&["bench", "--json"], args].concat()).ok();
    serde_json::from_str(&figures).unwrap()
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share).round() as usize]
}
