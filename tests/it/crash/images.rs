//! Every moment at which the power may go: the image of the disk opens, is sound, and holds all
//! accepted messages. `PROOF_IMAGES=5000 PROOF_SEED=n cargo test --test it crash::images --
//! --nocapture` makes more images.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::disk::{Disk, Image, Loss, lay_out};
use super::story::Story;
use super::trace::{Call, Step, steps, traced};
use crate::chance::{Chance, number};
use crate::needs::needs;
use crate::real::kit::{Home, Server};
use crate::real::wait::pause;
use crate::tally::Report;

/// Idle time until the writer thread has checkpointed: it does so after one idle second.
const IDLE: Duration = Duration::from_millis(1_300);
/// Images that `cargo test` makes of each run.
const IMAGES: u64 = 150;
/// Images that a server is started on, whose recovery is then cut off in turn.
const RECOVERIES: u64 = 3;

/// Changes that a server made to its disk.
struct Recorded {
    begin: Disk,
    steps: Vec<Step>,
    /// Power loss before the start, if only what was accepted by then must be there.
    since_us: Option<u64>,
}

fn record(home: &Home, story: &Story) -> Recorded {
    let (data, trace) = (home.data(), home.path().join("trace"));
    let server = Server::start(traced(home, &data, &trace));
    story.join(home, &server);
    story.send(home, 0..5);
    pause(IDLE);
    story.read(home);
    story.send(home, 5..10);
    assert_eq!(server.stop("TERM").0, Some(143));
    Recorded { begin: Disk::default(), steps: steps(&trace, &data), since_us: None }
}

/// Records a server that starts on an image and recovers its write-ahead log.
fn record_recovery(home: &Home, (image, at_us): &(Image, u64)) -> Recorded {
    let (data, trace) = (home.data(), home.path().join("trace"));
    lay_out(image, &data);
    let server = Server::start(traced(home, &data, &trace));
    assert_eq!(server.stop("TERM").0, Some(143));
    let steps = steps(&trace, &data);
    Recorded { begin: Disk::synced(image), steps, since_us: Some(*at_us) }
}

/// A power loss: its moment and its effect.
struct PowerLoss {
    /// Steps done before the loss.
    done: usize,
    loss: Loss,
    seed: u64,
}

/// Power losses for a run of `steps` steps: each moment with each kind of loss, if `count` allows.
fn power_losses(steps: usize, count: u64, seed: u64) -> Vec<PowerLoss> {
    let power_loss = |n: u64| PowerLoss {
        done: (n * (steps as u64 + 1) / count) as usize,
        loss: Loss::ALL[n as usize % Loss::ALL.len()],
        seed: seed << 32 | n,
    };
    (0..count).map(power_loss).collect()
}

impl Recorded {
    /// Image of the disk after a loss, and the time up to which accepted messages must be in it.
    fn image(&self, power_loss: &PowerLoss) -> (Image, u64) {
        let mut disk = self.begin.clone();
        self.steps[..power_loss.done].iter().for_each(|step| disk.apply(step));
        let at_us = self.steps.get(power_loss.done).map_or(u64::MAX, |step| step.at_us);
        (
            disk.image(power_loss.loss, &mut Chance::new(power_loss.seed)),
            self.since_us.unwrap_or(at_us),
        )
    }

    /// Checks `count` images.
    fn check(&self, name: &str, story: &Story, count: u64, seed: u64) {
        let power_losses = power_losses(self.steps.len(), count, seed);
        let next = AtomicUsize::new(0);
        let sums = Mutex::new(BTreeMap::<Loss, [u64; 4]>::new());
        let work = || {
            let dir = TempDir::new().unwrap();
            while let Some(power_loss) = power_losses.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (image, at_us) = self.image(power_loss);
                lay_out(&image, dir.path());
                let report = story.check(dir.path(), at_us);
                let PowerLoss { done, loss, .. } = power_loss;
                assert!(report.is_pass(), "{done} steps, {loss:?} lost, seed {seed}: {report}");
                add(sums.lock().unwrap().entry(*loss).or_default(), &report);
            }
        };
        thread::scope(|scope| (0..2).map(|_| scope.spawn(work)).for_each(drop));
        println!("{name}: {} steps of the disk, {count} images, seed {seed}", self.steps.len());
        for (loss, [images, accepted, recovered, unknown]) in sums.into_inner().unwrap() {
            println!(
                "    {loss:?} lost: {images} images, {accepted} acknowledged and there, \
                 {recovered} not acknowledged and there, {unknown} not there"
            );
        }
    }
}

#[test]
fn a_power_loss_at_any_moment_keeps_accepted_messages() {
    needs!("strace");
    let (home, story) = (Home::new(), Story::default());
    let (count, seed) = (number("PROOF_IMAGES", IMAGES), number("PROOF_SEED", 1));
    let run = record(&home, &story);
    run.check("a run", &story, count, seed);
    let mut chance = Chance::new(seed);
    for n in 1..=RECOVERIES {
        // Late enough for the write-ahead log not to be empty.
        let done = run.steps.len() / 2 + chance.below(run.steps.len() / 2);
        let loss = Loss::ALL[chance.below(Loss::ALL.len())];
        let found = run.image(&PowerLoss { done, loss, seed });
        let recovery = record_recovery(&home, &found);
        let is_database = |path: &Path| path.extension().is_some_and(|end| end == "db");
        let checkpoint =
            |step: &Step| matches!(&step.call, Call::Write(path, ..) if is_database(path));
        assert!(recovery.steps.iter().any(checkpoint), "nothing was recovered");
        let name = format!("recovery {n} after {done} steps with {loss:?} lost");
        recovery.check(&name, &story, count / RECOVERIES, seed);
    }
}

fn add(sums: &mut [u64; 4], report: &Report) {
    let Report { accepted, recovered, unknown, .. } = report;
    for (sum, number) in sums.iter_mut().zip([1, *accepted, *recovered, *unknown]) {
        *sum += number;
    }
}
