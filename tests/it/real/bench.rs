//! `qmsg bench` with small numbers: its figures are consistent, and a run that fails says so.

use std::fs;

use serde_json::Value;

use super::kit::{Home, Running, Said, Stream, start};

/// Runs a measurement to its end; returns its figures.
#[track_caller]
fn bench(home: &Home, args: &[&str]) -> Value {
    let said = home.run(&[&["bench", "--json"], args].concat());
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.stderr);
    assert_eq!(said.stderr, "", "{args:?}");
    let figures: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(figures["bench"], args[0]);
    assert_eq!(figures["version"], env!("CARGO_PKG_VERSION"));
    assert!(figures["cores"].as_u64().unwrap() > 0);
    assert!(figures["seconds"].as_f64().unwrap() > 0.0);
    figures
}

#[track_caller]
fn real(figures: &Value, key: &str) -> f64 {
    figures[key].as_f64().unwrap_or_else(|| panic!("no {key} in {figures}"))
}

#[track_caller]
fn times_are_in_order(figures: &Value) {
    let times = ["min_us", "p50_us", "p99_us", "p999_us", "max_us"].map(|key| real(figures, key));
    assert!(times[0] > 0.0 && times.is_sorted(), "{times:?}");
}

/// Checks the figures that exist only for an own server, where the system gives them.
#[track_caller]
fn is_of_an_own_server(figures: &Value) {
    assert_eq!(figures["server"], "own");
    if cfg!(target_os = "linux") {
        assert!(real(figures, "server_rss_kib") > 1024.0);
        assert!(real(figures, "client_rss_kib") > 1024.0);
    }
}

#[test]
fn latency() {
    let home = Home::new();
    let figures = bench(&home, &["latency", "--count", "20", "--size", "10"]);
    assert_eq!((figures["count"].as_u64(), figures["size"].as_u64()), (Some(20), Some(10)));
    times_are_in_order(&figures);
    is_of_an_own_server(&figures);
}

#[test]
fn throughput() {
    let home = Home::new();
    let args = ["throughput", "--senders", "3", "--receivers", "2", "-n", "200", "--size", "1KiB"];
    let figures = bench(&home, &args);
    assert_eq!(figures["messages"], 600);
    let [settled, delivered] = ["settled_per_s", "delivered_per_s"].map(|key| real(&figures, key));
    assert!(settled > 0.0 && settled <= delivered, "{figures}");
    assert!(real(&figures, "accepted_per_s") > 0.0);
    let mb = delivered * 1024.0 / 1e6;
    assert!((real(&figures, "mb_per_s") - mb).abs() < 0.01 * mb + 0.01, "{figures}");
    is_of_an_own_server(&figures);
}

#[test]
fn volatile_messages() {
    let home = Home::new();
    let figures = bench(&home, &["latency", "--volatile", "-n", "20"]);
    assert_eq!(figures["volatile"], true);
    times_are_in_order(&figures);
    let args = ["throughput", "--volatile", "--senders", "2", "--receivers", "2", "-n", "3000"];
    let figures = bench(&home, &args);
    assert_eq!((&figures["messages"], &figures["volatile"]), (&6000.into(), &true.into()));
}

#[test]
fn fanout() {
    let home = Home::new();
    let figures = bench(&home, &["fanout", "--receivers", "5", "--count", "50"]);
    assert_eq!(figures["deliveries"], 250);
    assert!(real(&figures, "delivered_per_s") > 0.0);
    is_of_an_own_server(&figures);
    // More than is sent at a time, so that a listener which is not ready would miss some.
    let args = ["fanout", "--volatile", "--receivers", "3", "-n", "9000", "--size", "1000"];
    let figures = bench(&home, &args);
    assert_eq!((&figures["deliveries"], &figures["volatile"]), (&27_000.into(), &true.into()));
}

#[test]
fn idle() {
    let home = Home::new();
    let figures = bench(&home, &["idle", "--receivers", "20", "--time", "300ms"]);
    assert_eq!(figures["receivers"], 20);
    assert!(real(&figures, "seconds") >= 0.3);
    is_of_an_own_server(&figures);
    if cfg!(target_os = "linux") {
        assert!(real(&figures, "server_kib_each") > 0.0, "{figures}");
    }
}

#[test]
fn connect() {
    let home = Home::new();
    let figures = bench(&home, &["connect", "--count", "20", "--concurrency", "3"]);
    assert_eq!((figures["count"].as_u64(), figures["retries"].as_u64()), (Some(20), Some(0)));
    assert!(real(&figures, "links_per_s") > 0.0);
    times_are_in_order(&figures);
    is_of_an_own_server(&figures);
}

#[test]
fn durable() {
    let home = Home::new();
    let figures = bench(&home, &["durable", "--senders", "4", "--count", "10"]);
    assert_eq!(figures["messages"], 40);
    times_are_in_order(&figures);
    is_of_an_own_server(&figures);
}

#[test]
fn a_given_server_keeps_no_messages_and_a_home_no_trace() {
    let home = Home::new();
    // A limit that messages left by one run would exceed in the next.
    let server = home.serve(&["--max-mailbox", "20"]);
    let before = files(&home);
    for what in ["durable", "durable", "latency", "connect"] {
        let figures = bench(&home, &[what, "-n", "15", "-s", &server.address]);
        assert_eq!(figures["server"], server.address);
        assert!(figures.get("server_rss_kib").is_none(), "not known: {figures}");
    }
    bench(&home, &["fanout", "-n", "15", "--receivers", "2", "-s", &server.address]);
    assert_eq!(files(&home), before);
    // A message that does not fit is an error.
    let args = ["bench", "durable", "-n", "30", "-s", &server.address];
    home.run(&args).code(73).says("the mailbox of the receiver is full");
    let wrong = format!("SHA256:{}", "A".repeat(43));
    let args = ["bench", "latency", "-n", "1", "-s", &server.address, "--pin", &wrong];
    home.run(&args).code(77).says("has changed: expected");
    home.run(&["bench", "latency", "--pin", &server.pin]).code(2).says("--server");
    home.shell("TMPDIR=$HOME/none qmsg bench latency").code(78).says("TMPDIR names another");
}

fn files(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Starts a measurement that would take for ever, and waits until it is under way.
fn endless(home: &Home, more: &[&str]) -> Running {
    let args = [&["bench", "latency", "--json", "-v", "-n", "1000000000"], more].concat();
    let mut command = home.command(&args);
    command.env("TMPDIR", home.path());
    let mut running = start(command);
    running.until(Stream::Err, "round trips");
    running
}

#[track_caller]
fn broke(said: &Said, home: &Home) {
    assert!(said.stdout.is_empty(), "no figures of a run that broke");
    let left = files(home).into_iter().find(|name| name.contains("bench"));
    assert_eq!(left, None, "it has removed its server's data");
}

#[test]
fn a_server_that_stops_in_the_middle_is_an_error() {
    let home = Home::new();
    let server = home.serve(&[]);
    let running = endless(&home, &["-s", &server.address]);
    server.stop("TERM");
    let said = running.end();
    said.code(69).says("lost during the run");
    broke(&said, &home);
}

#[test]
fn a_server_that_falls_silent_is_an_error() {
    let home = Home::new();
    let server = home.serve(&[]);
    let running = endless(&home, &["-s", &server.address, "--timeout", "1s"]);
    server.kill();
    let said = running.end();
    assert!(matches!(said.code, Some(13 | 69)), "{said:?}");
    said.says("hint: ");
    broke(&said, &home);
}

#[test]
#[cfg(target_os = "linux")]
fn an_own_server_that_dies_is_an_error() {
    let home = Home::new();
    let running = endless(&home, &[]);
    running.signal_child("KILL");
    let said = running.end();
    said.code(69).says("the server ended in the middle of the run, by signal: 9");
    broke(&said, &home);
}

#[test]
fn an_interrupted_run_ends_its_server() {
    let home = Home::new();
    let running = endless(&home, &[]);
    running.signal("INT");
    let said = running.end();
    said.code(130);
    broke(&said, &home);
}

#[test]
fn an_unreachable_server_is_an_error_at_once() {
    let home = Home::new();
    let server = home.serve(&[]);
    let address = server.address.clone();
    server.kill();
    home.run(&["bench", "connect", "-s", &address]).code(69).says("nothing listens there");
}
