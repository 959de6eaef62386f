//! Messages dated by the clock of the server, if it differs from the clock of this machine.

use crate::message::ids;
use crate::outgoing::tracker::SendTracker;
use crate::wire::{MsgId, MsgIds, Refusal};

impl SendTracker<'_> {
    pub(crate) fn on_skew(&mut self, ahead_ms: i64) {
        self.skew.set(ahead_ms, self.unanswered.keys().copied());
        self.ids.fill(MsgIds::default());
    }

    /// Notes the end of a link: the server may have stored the messages that were sent on it.
    pub(crate) fn on_disconnect(&mut self) {
        if self.skew.unlink() {
            self.unanswered.values_mut().for_each(|sent| sent.may_be_stored = true);
        }
    }

    /// Sends a message that was refused for its time again, with an id of the server's time.
    /// Returns false if the reason was another one, or if the server may have the message.
    pub(crate) fn redate(&mut self, id: MsgId, why: Refusal) -> bool {
        let is_for_time = matches!(why, Refusal::IdTooOld | Refusal::IdInFuture);
        let Some(sent) = self.unanswered.get(&id) else { return false };
        // Later messages have the server's time. If one is refused, a clock was set since.
        let is_early = self.skew.is_early(id);
        if !is_for_time || !is_early || sent.may_be_stored || id.is_keyed() {
            return false;
        }
        let Some(place) = self.job.targets.iter().position(|to| *to == sent.to) else {
            return false;
        };
        let Ok(body) = sent.content.part(0) else { return false };
        let Some(sent) = self.answered(id) else { return false };
        let id = ids::fresh_by(&mut self.ids[place], self.skew.ahead_ms());
        let draft = self.draft(id, sent, body);
        self.resend.push_back(draft);
        true
    }

    /// Time at which the server is to send a message, in milliseconds of the server's clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let ahead_ms = if self.job.is_delay { self.skew.ahead_ms() } else { 0 };
        self.job.due_ms.map(|due_ms| due_ms.saturating_add_signed(ahead_ms))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::SendTracker;
    use crate::clock;
    use crate::logic::Event;
    use crate::message::content::Content;
    use crate::outgoing::job::{Job, plain_job};
    use crate::terminal::color::Color;
    use crate::terminal::verbosity::Verbosity;
    use crate::wire::{Headers, MsgId, Refusal, UserId};

    const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1000;

    fn tracker(job: &Job, run: impl FnOnce(&mut SendTracker<'_>)) {
        let verbosity = Verbosity { quiet: true, verbose: 0, color: Color::Never };
        let id: UserId = "alice".parse().unwrap();
        run(&mut SendTracker::new(job, false, &id, "there", verbosity));
    }

    fn job() -> Job {
        plain_job(vec!["bob".parse().unwrap()], Headers::default())
    }

    fn send(tracker: &mut SendTracker<'_>) -> MsgId {
        let content = Content::Memory("text".into());
        tracker.drafts(Ok(content)).pop_front().unwrap().id
    }

    fn refused(tracker: &mut SendTracker<'_>, id: MsgId, why: Refusal) -> Vec<MsgId> {
        tracker.on_event(&Event::Refused { id, count: 1, why });
        tracker.take_resend().into_iter().map(|draft| draft.id).collect()
    }

    #[test]
    fn what_is_refused_for_its_time_is_dated_by_the_server() {
        for (ahead_ms, why) in
            [(20 * YEAR_MS, Refusal::IdTooOld), (-20 * YEAR_MS, Refusal::IdInFuture)]
        {
            tracker(&job(), |tracker| {
                let (one, two) = (send(tracker), send(tracker));
                tracker.on_event(&Event::ClockSkew { ahead_ms });
                assert!(!tracker.has_room(), "the order stays");
                let again = refused(tracker, one, why);
                let there_ms = clock::now_ms().saturating_add_signed(ahead_ms);
                assert!(again.len() == 1 && again[0].unix_ms().abs_diff(there_ms) < 60_000);
                assert_eq!(refused(tracker, two, Refusal::UnknownTarget), [], "for another reason");
                assert!(tracker.has_room() && !tracker.is_done());
                assert!(send(tracker).unix_ms().abs_diff(there_ms) < 60_000);
                assert_eq!(refused(tracker, again[0], why), [], "once");
            });
        }
    }

    #[test]
    fn what_the_server_may_have_is_not_sent_anew() {
        tracker(&job(), |tracker| {
            let id = send(tracker);
            // Nothing can be stored before there was a link.
            tracker.on_event(&Event::Offline);
            tracker.on_event(&Event::ClockSkew { ahead_ms: YEAR_MS });
            tracker.on_event(&Event::Offline);
            tracker.on_event(&Event::ClockSkew { ahead_ms: YEAR_MS });
            assert_eq!(refused(tracker, id, Refusal::IdTooOld), []);
            assert_eq!(tracker.refused, 1);
        });
    }

    #[test]
    fn a_delay_counts_by_the_servers_clock() {
        for (is_delay, wanted) in [(true, 1_000 + YEAR_MS as u64), (false, 1_000)] {
            let job = Job { due_ms: Some(1_000), is_delay, ..job() };
            tracker(&job, |tracker| {
                assert_eq!(tracker.has_room(), !is_delay, "that clock has to be known");
                tracker.on_event(&Event::ClockSkew { ahead_ms: YEAR_MS });
                assert!(tracker.has_room());
                let content = Content::Memory("text".into());
                assert_eq!(tracker.drafts(Ok(content))[0].due_ms, Some(wanted));
            });
        }
    }
}
