//! Random runs: faults, and their end.

use qmsg::durable::Record;
use qmsg::logic::Ending;

use super::{Client, Run};

/// Most milliseconds by which the wall clock is set: within the limits for ids.
const CLOCK_MS_OFF: usize = 12 * 60 * 60 * 1_000;
/// Most milliseconds from the end of the faults until everything accepted is delivered.
const CONVERGED_MS: u64 = 5_000;

impl Run {
    pub(super) fn fault(&mut self) {
        if self.chance.one_in(8) {
            return self.world.crash();
        }
        if self.chance.one_in(3) {
            return self.spoil();
        }
        if self.chance.one_in(6) {
            let ahead_ms = self.chance.below(2 * CLOCK_MS_OFF) as i64 - CLOCK_MS_OFF as i64;
            return self.world.server.set_clock(ahead_ms);
        }
        let Some(link) = self.line() else { return };
        match self.chance.below(3) {
            0 => self.world.cut(link),
            1 => self.world.end_at_client(link, Ending::Silence),
            _ => self.world.end_at_server(link),
        }
    }

    /// Causes a fault of the disk.
    fn spoil(&mut self) {
        let store = &mut self.world.server.store;
        // A client that cannot claim its id gives up.
        let is_known = |client: &Client| store.has_user(&client.user);
        if self.world.clients.iter().all(is_known) && self.chance.one_in(3) {
            store.disk_full = !store.disk_full;
            return;
        }
        let long = |record: &&Record| record.bundle.first.is_long();
        let owed = store.owed().map(|(record, _)| record).filter(long).cloned();
        let last: Vec<Record> = owed.collect::<Vec<_>>().into_iter().rev().take(3).collect();
        let record = self.chance.pick(&last);
        match (self.chance.below(3), record) {
            (0, _) => store.bodies.is_full = !store.bodies.is_full,
            (1, Some(record)) => store.rot(record.seq),
            (_, Some(record)) => store.remove(&record.bundle.first.to, record.seq),
            (_, None) => {}
        }
    }

    /// Ends the faults.
    pub(in crate::logic) fn finish(&mut self) {
        self.world.server.store.bodies.is_full = false;
        self.world.server.store.disk_full = false;
        self.world.server.set_clock(0);
        let begun_ms = self.world.server.now.mono_ms;
        for (link, line) in
            self.world.lines.iter().map(|(link, line)| (*link, line.at_client)).collect::<Vec<_>>()
        {
            if !line {
                self.world.end_at_server(link);
            }
        }
        self.world.drain();
        let took_ms = self.world.server.now.mono_ms - begun_ms;
        assert!(took_ms <= CONVERGED_MS, "{took_ms} ms until all is well");
        self.settle_levels();
    }
}
