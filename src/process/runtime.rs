//! Async runtimes of commands and of the server.

use std::ops::Deref;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// A runtime that does not delay the exit. Tokio's own drop would wait for threads that are blocked
/// in reading files, pipes or commands.
pub(crate) struct Brief(Option<Runtime>);

impl Deref for Brief {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        // Only `drop` takes the value out.
        self.0.as_ref().expect("a runtime")
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Creates a runtime with one thread: a client has one connection, and starts fastest this way.
pub(crate) fn runtime() -> Result<Brief> {
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    survive_large_files(&runtime)?;
    Ok(Brief(Some(runtime)))
}

/// Makes exceeding `ulimit -f` an error of the write, like a full disk, instead of the end of the
/// process.
fn survive_large_files(runtime: &Runtime) -> Result<()> {
    let _inside = runtime.enter();
    // A handler, once installed, keeps the signal from ending the process.
    let _never_read = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    Ok(())
}

/// Creates the runtime of a server. One thread avoids communication between threads; several share
/// the connections on machines with spare cores.
pub(crate) fn server_runtime(threads: usize) -> Result<Brief> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build().context("no runtime")?;
    survive_large_files(&runtime)?;
    Ok(Brief(Some(runtime)))
}

/// The default number of a server's threads.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}
