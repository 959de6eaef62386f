//! Schedule of handlers: a limited number at a time, the messages of one sender in turn, and failed
//! ones again later. It only decides; the time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use crate::handler::limits::PAUSE_MS_MAX;
use crate::wire::UserId;

/// Milliseconds since any fixed moment.
pub(crate) type Ms = u64;
/// Number of a message in the schedule, ascending in the order of arrival.
pub(crate) type JobNumber = u64;

/// Rules that the user has set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Most handlers that may run at a time, at least one.
    pub(crate) jobs: usize,
    /// Pause before the first retry of a message, doubled with each one up to [`PAUSE_MS_MAX`].
    pub(crate) pause_ms: Ms,
    /// Failures after which a message is rejected. `None`: never.
    pub(crate) attempts_max: Option<NonZeroU32>,
}

/// Verdict of a handler on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobVerdict {
    Processed,
    /// Retry later; not counted as a failure.
    Later,
    /// Reject for good.
    Refused,
    Failed,
}

/// The next step for a message after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Acked.
    Processed,
    /// Rejected after this number of attempts.
    Refused { attempts: u32 },
    /// Retried at this time.
    Again { at_ms: Ms, attempts: u32 },
}

/// Messages of a listener. Each is known from [`Schedule::arrived`] until it is finished.
pub(crate) struct HandlerSchedule {
    policy: Policy,
    /// Waiting messages by sender.
    lanes: BTreeMap<UserId, Lane>,
    /// First messages of lanes that may start, each with its sender.
    ready: BTreeMap<JobNumber, UserId>,
    /// First messages of lanes that wait for a retry, by its time.
    resting: BTreeMap<(Ms, JobNumber), UserId>,
    running: BTreeMap<JobNumber, UserId>,
    next: JobNumber,
}

/// Messages of one sender in their order. The first is ready, resting or running.
#[derive(Default)]
struct Lane {
    queue: VecDeque<JobNumber>,
    /// Starts of the first message.
    attempts: u32,
    /// Failures of the first message.
    failures: u32,
}

impl HandlerSchedule {
    pub(crate) fn new(policy: Policy) -> Self {
        let (lanes, ready, running) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { policy, lanes, ready, resting: BTreeMap::new(), running, next: 0 }
    }

    /// Adds a message of this sender.
    pub(crate) fn arrived(&mut self, from: &UserId) -> JobNumber {
        let ticket = self.next;
        self.next += 1;
        let lane = self.lanes.entry(from.clone()).or_default();
        lane.queue.push_back(ticket);
        if lane.queue.len() == 1 {
            self.ready.insert(ticket, from.clone());
        }
        ticket
    }

    /// Returns the message to handle now, oldest first, and the number of the attempt, from 1. Must
    /// be followed by [`Schedule::finished`].
    pub(crate) fn start(&mut self, now: Ms) -> Option<(JobNumber, u32)> {
        while let Some(entry) = self.resting.first_entry()
            && entry.key().0 <= now
        {
            let ((_, ticket), from) = entry.remove_entry();
            self.ready.insert(ticket, from);
        }
        if self.running.len() >= self.policy.jobs {
            return None;
        }
        let (ticket, from) = self.ready.pop_first()?;
        let lane = self.lanes.get_mut(&from)?;
        lane.attempts = lane.attempts.saturating_add(1);
        self.running.insert(ticket, from);
        Some((ticket, lane.attempts))
    }

    /// Records a verdict and returns the next step; `None` if no handler runs for the message.
    pub(crate) fn finished(
        &mut self,
        now: Ms,
        ticket: JobNumber,
        verdict: JobVerdict,
    ) -> Option<Fate> {
        let from = self.running.remove(&ticket)?;
        let lane = self.lanes.get_mut(&from)?;
        lane.failures = lane.failures.saturating_add((verdict == JobVerdict::Failed).into());
        let attempts = lane.attempts;
        let is_enough = self.policy.attempts_max.is_some_and(|max| lane.failures >= max.get());
        match verdict {
            JobVerdict::Processed => self.done(&from),
            JobVerdict::Failed if !is_enough => {
                return Some(self.again(now, ticket, from, attempts));
            }
            JobVerdict::Later => return Some(self.again(now, ticket, from, attempts)),
            JobVerdict::Failed | JobVerdict::Refused => {
                self.done(&from);
                return Some(Fate::Refused { attempts });
            }
        }
        Some(Fate::Processed)
    }

    /// Time at which a resting message may be started.
    pub(crate) fn deadline(&self) -> Option<Ms> {
        let is_free = self.running.len() < self.policy.jobs;
        self.resting.keys().next().map(|(at_ms, _)| *at_ms).filter(|_| is_free)
    }

    /// True if a handler runs for this job.
    pub(crate) fn runs(&self, ticket: JobNumber) -> bool {
        self.running.contains_key(&ticket)
    }

    /// Removes the selected messages for which no handler runs, and returns them.
    pub(crate) fn withdraw(&mut self, which: impl Fn(JobNumber) -> bool) -> Vec<JobNumber> {
        let mut withdrawn = Vec::new();
        let Self { lanes, ready, resting, running, .. } = self;
        lanes.retain(|from, lane| {
            let first = lane.queue.front().copied();
            lane.queue.retain(|ticket| {
                let stays = running.contains_key(ticket) || !which(*ticket);
                withdrawn.extend((!stays).then_some(*ticket));
                stays
            });
            if lane.queue.front().copied() != first {
                (lane.attempts, lane.failures) = (0, 0);
                ready.extend(lane.queue.front().map(|next| (*next, from.clone())));
            }
            !lane.queue.is_empty()
        });
        ready.retain(|ticket, _| !withdrawn.contains(ticket));
        resting.retain(|(_, ticket), _| !withdrawn.contains(ticket));
        withdrawn
    }

    /// True if no message is left.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    fn again(&mut self, now: Ms, ticket: JobNumber, from: UserId, attempts: u32) -> Fate {
        // With no pause, the oldest message would be retried for ever and others never tried.
        let pause_ms = self.policy.pause_ms.max(1);
        let times = 1_u64.checked_shl(attempts - 1).unwrap_or(Ms::MAX);
        let pause_ms = pause_ms.saturating_mul(times).min(PAUSE_MS_MAX.max(pause_ms));
        let at_ms = now.saturating_add(pause_ms);
        self.resting.insert((at_ms, ticket), from);
        Fate::Again { at_ms, attempts }
    }

    /// Removes the first message of a sender, which is finished.
    fn done(&mut self, from: &UserId) {
        let Some(lane) = self.lanes.get_mut(from) else { return };
        lane.queue.pop_front();
        (lane.attempts, lane.failures) = (0, 0);
        match lane.queue.front() {
            Some(next) => drop(self.ready.insert(*next, from.clone())),
            None => drop(self.lanes.remove(from)),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::num::NonZeroU32;

    use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, proptest};

    use super::{Fate, HandlerSchedule, JobNumber, JobVerdict, Ms, PAUSE_MS_MAX, Policy};
    use crate::wire::UserId;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn schedule(jobs: usize, attempts_max: u32) -> HandlerSchedule {
        let attempts_max = NonZeroU32::new(attempts_max);
        HandlerSchedule::new(Policy { jobs, pause_ms: 1000, attempts_max })
    }

    #[test]
    fn one_sender_waits_for_its_own_and_others_go_on() {
        let mut schedule = schedule(2, 5);
        let [a1, a2] = [(); 2].map(|()| schedule.arrived(&user("alice")));
        let b1 = schedule.arrived(&user("bob"));
        let c1 = schedule.arrived(&user("carol"));
        assert_eq!(schedule.start(0), Some((a1, 1)));
        assert_eq!(schedule.start(0), Some((b1, 1)));
        assert_eq!(schedule.start(0), None, "two jobs");
        let again = Fate::Again { at_ms: 1000, attempts: 1 };
        assert_eq!(schedule.finished(0, a1, JobVerdict::Failed), Some(again));
        assert_eq!(schedule.deadline(), Some(1000));
        assert_eq!(schedule.start(0), Some((c1, 1)));
        assert_eq!(schedule.deadline(), None, "nothing can start before something ends");
        assert_eq!(schedule.finished(5, b1, JobVerdict::Processed), Some(Fate::Processed));
        assert_eq!(schedule.start(999), None, "the second of alice waits for the first");
        assert_eq!(schedule.start(1000), Some((a1, 2)));
        assert_eq!(schedule.finished(1000, a1, JobVerdict::Processed), Some(Fate::Processed));
        assert_eq!(schedule.start(1000), Some((a2, 1)), "and counts its own attempts");
        assert_eq!(
            schedule.finished(1000, c1, JobVerdict::Refused),
            Some(Fate::Refused { attempts: 1 })
        );
        assert!(!schedule.is_idle());
        assert_eq!(schedule.finished(1000, a2, JobVerdict::Processed), Some(Fate::Processed));
        assert!(schedule.is_idle());
        assert_eq!(schedule.finished(1000, a2, JobVerdict::Processed), None, "said twice");
    }

    #[test]
    fn pauses_grow_and_attempts_end() {
        use JobVerdict::{Failed, Later};
        let pauses = |pause_ms, verdicts: &[JobVerdict], attempts_max| {
            let attempts_max = NonZeroU32::new(attempts_max);
            let mut schedule = HandlerSchedule::new(Policy { jobs: 1, pause_ms, attempts_max });
            let ticket = schedule.arrived(&user("alice"));
            let mut now = 0;
            let mut fate = |verdict: &JobVerdict| {
                let (started, attempt) = schedule.start(now).unwrap();
                assert_eq!(started, ticket);
                match schedule.finished(now, ticket, *verdict).unwrap() {
                    Fate::Again { at_ms, attempts } => {
                        assert_eq!(attempts, attempt);
                        let pause = at_ms - now;
                        now = at_ms;
                        Some(pause)
                    }
                    Fate::Refused { attempts } => {
                        assert_eq!(attempts, attempt);
                        None
                    }
                    Fate::Processed => panic!("nobody said so"),
                }
            };
            verdicts.iter().map(&mut fate).collect::<Vec<Option<Ms>>>()
        };
        let growing = [Some(1000), Some(2000), Some(4000), Some(8000), None];
        assert_eq!(pauses(1000, &[Failed; 5], 5), growing);
        assert_eq!(pauses(1000, &[Failed], 1), [None]);
        let mixed = [Failed, Later, Later, Failed];
        assert_eq!(pauses(1, &mixed, 2), [Some(1), Some(2), Some(4), None], "75 is no failure");
        let long = pauses(1000, &[Failed; 100], 0);
        assert_eq!(
            (long[8], long[9], long[99]),
            (Some(256_000), Some(PAUSE_MS_MAX), Some(PAUSE_MS_MAX))
        );
        assert_eq!(pauses(600_000, &[Later; 3], 5), [Some(600_000); 3], "as long as was asked for");
        assert_eq!(pauses(0, &[Later; 3], 5), [Some(1), Some(2), Some(4)], "never without one");
    }

    #[test]
    fn what_does_not_run_can_be_withdrawn() {
        let mut schedule = schedule(1, 5);
        let [a1, a2] = [(); 2].map(|()| schedule.arrived(&user("alice")));
        let b1 = schedule.arrived(&user("bob"));
        assert_eq!(schedule.start(0), Some((a1, 1)));
        assert_eq!(schedule.withdraw(|ticket| ticket == b1), [b1]);
        assert_eq!(schedule.withdraw(|_| true), [a2]);
        assert!(schedule.runs(a1) && !schedule.runs(a2));
        assert_eq!(schedule.finished(0, a1, JobVerdict::Processed), Some(Fate::Processed));
        assert!(schedule.is_idle() && schedule.start(0).is_none());
        let again = schedule.arrived(&user("bob"));
        assert_eq!(schedule.start(0), Some((again, 1)));
        schedule.finished(0, again, JobVerdict::Later);
        let next = schedule.arrived(&user("bob"));
        assert_eq!(schedule.withdraw(|ticket| ticket == again), [again], "also what rests");
        assert_eq!(schedule.start(0), Some((next, 1)));
        schedule.finished(0, next, JobVerdict::Processed);
        assert!(schedule.is_idle() && schedule.deadline().is_none());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive(u8),
        /// A running job, by its index modulo their number.
        Finish(usize, JobVerdict),
        Wait(Ms),
        /// Withdraws messages whose seq leaves this remainder.
        Withdraw(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        use JobVerdict::{Failed, Later, Processed, Refused};
        let verdict = prop::sample::select(vec![Processed, Later, Refused, Failed]);
        let step = prop::strategy::Union::new_weighted(vec![
            (6, (0..4_u8).prop_map(Step::Arrive).boxed()),
            (6, (any::<usize>(), verdict).prop_map(|(of, what)| Step::Finish(of, what)).boxed()),
            (2, (0..5000_u64).prop_map(Step::Wait).boxed()),
            (1, (0..4_u64).prop_map(Step::Withdraw).boxed()),
        ]);
        prop::collection::vec(step, 0..120)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn order_and_bounds_hold(steps in steps(), jobs in 1..4_usize, attempts_max in 0..4_u32) {
            let mut schedule = schedule(jobs, attempts_max);
            let mut now = 0;
            let mut senders: BTreeMap<JobNumber, u8> = BTreeMap::new();
            let mut running: Vec<JobNumber> = Vec::new();
            for step in steps {
                match step {
                    Step::Arrive(of) => drop(senders.insert(
                        schedule.arrived(&user(&format!("u{of}"))),
                        of,
                    )),
                    Step::Finish(..) if running.is_empty() => {}
                    Step::Finish(which, verdict) => {
                        let ticket = running.swap_remove(which % running.len());
                        match schedule.finished(now, ticket, verdict).unwrap() {
                            Fate::Again { at_ms, .. } => prop_assert!(at_ms >= now),
                            Fate::Processed | Fate::Refused { .. } => drop(senders.remove(&ticket)),
                        }
                    }
                    Step::Wait(time) => now += time,
                    Step::Withdraw(rest) => {
                        let which = |ticket| rest == 3 || ticket % 3 == rest;
                        for ticket in schedule.withdraw(which) {
                            prop_assert!(!running.contains(&ticket));
                            senders.remove(&ticket).unwrap();
                        }
                        let mut left = senders.keys().filter(|ticket| which(**ticket));
                        prop_assert!(left.all(|ticket| running.contains(ticket)));
                    }
                }
                while let Some((ticket, _)) = schedule.start(now) {
                    let from = senders[&ticket];
                    let earlier = senders.iter().find(|(_, of)| **of == from).unwrap();
                    prop_assert!(*earlier.0 == ticket, "the first of its sender");
                    running.push(ticket);
                }
                prop_assert!(running.len() <= jobs);
                let of: BTreeSet<u8> = running.iter().map(|ticket| senders[ticket]).collect();
                prop_assert!(of.len() == running.len(), "one of a sender at a time");
                prop_assert!(schedule.is_idle() == senders.is_empty());
                prop_assert!(schedule.deadline().is_none_or(|at_ms| at_ms > now));
            }
            // In the end every message is finished.
            while !schedule.is_idle() {
                for ticket in running.drain(..) {
                    schedule.finished(now, ticket, JobVerdict::Processed).unwrap();
                }
                now = schedule.deadline().unwrap_or(now).max(now);
                let starts = std::iter::from_fn(|| schedule.start(now));
                running.extend(starts.map(|(ticket, _)| ticket));
            }
        }
    }
}
