//! The runtime of a command, and that of a server.

use std::ops::Deref;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// A runtime that no exit waits for. Dropped like any other it would wait until files, pipes and
/// commands let go of the threads that read them, whatever time or signal has ended the work.
pub(crate) struct Brief(Option<Runtime>);

impl Deref for Brief {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        // Only the end of this takes it out.
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

/// One thread: a client has one link, and starts in the fewest milliseconds so.
pub(crate) fn runtime() -> Result<Brief> {
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    survive_large_files(&runtime)?;
    Ok(Brief(Some(runtime)))
}

/// Lets a file that would grow beyond `ulimit -f` be an error of the one who writes it, like a full
/// disk, and not the end of the process.
fn survive_large_files(runtime: &Runtime) -> Result<()> {
    let _inside = runtime.enter();
    // Once it is listened to, it never ends the process again.
    let _never_read = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    Ok(())
}

/// One thread does everything, without a word between threads; more share the links, for machines
/// with cores to spare.
pub(crate) fn server_runtime(threads: usize) -> Result<Brief> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build().context("no runtime")?;
    survive_large_files(&runtime)?;
    Ok(Brief(Some(runtime)))
}

/// Threads for a server, unless it is told how many.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}
