//! The qmsg program itself: lines piped into `qmsg send -l` and out of `qmsg listen -n`.

use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clock::now_ns;
use crate::options::Options;

/// Receives bob's messages. The listener may start after the sender: the messages wait.
pub(crate) fn listen(options: &Options) -> Result<Value> {
    let (count, time) = (count(options)?, options.text("timeout", "150"));
    let mut listen = program(options)
        .args(["listen", "--as", "bob", "-n", &count.to_string()])
        .args(["--timeout", &format!("{time}s")])
        .stdout(Stdio::null())
        .spawn()?;
    println!("READY");
    let status = listen.wait()?;
    let last = now_ns();
    ensure!(status.success(), "listen: {status}");
    Ok(json!({ "got": count, "last": last }))
}

/// Sends lines to bob.
pub(crate) fn send(options: &Options) -> Result<Value> {
    let count = count(options)?;
    let mut line = vec![b'x'; options.number("size", 100)?];
    line.push(b'\n');
    let t0 = now_ns();
    let mut send = program(options)
        .args(["send", "-l", "bob", "--as", "alice"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stdin = BufWriter::with_capacity(1 << 16, send.stdin.take().context("no pipe")?);
    for _ in 0..count {
        stdin.write_all(&line)?;
    }
    drop(stdin.into_inner()?);
    let status = send.wait()?;
    let t1 = now_ns();
    ensure!(status.success(), "send: {status}");
    Ok(json!({ "t0": t0, "t1": t1 }))
}

/// Number of lines: `lines`, or `n`, which the driver sets to other values for other programs.
fn count(options: &Options) -> Result<u64> {
    options.number("lines", options.number("n", 1)?)
}

fn program(options: &Options) -> Command {
    Command::new(options.text("program", "qmsg"))
}
