//! An excerpt instead of a text that is longer than the server takes.

use std::collections::VecDeque;

use crate::logic::Draft;
use crate::message::content::Content;
use crate::message::headers;
use crate::message::known_headers::TRUNCATED;
use crate::outgoing::excerpt::Excerpt;
use crate::outgoing::job;
use crate::outgoing::tracker::{SendTracker, SentMessage};
use crate::wire::{Headers, MsgId};

impl SendTracker<'_> {
    /// A message was too long: an excerpt goes instead, if that is wanted and there is one.
    pub(crate) fn shorten(&mut self, id: MsgId, max: u64) -> bool {
        let Some(SentMessage { content, .. }) = self.unanswered.get(&id) else { return false };
        if !self.one || !self.job.excerpts {
            return false;
        }
        if self.excerpt.is_none() {
            self.excerpt = Excerpt::from_text(content, max);
        }
        let Some(excerpt) = &self.excerpt else { return false };
        let content = excerpt.content().clone();
        let Ok(body) = content.part(0) else { return false };
        let Some(sent) = self.answered(id) else { return false };
        let draft = self.draft(id, SentMessage { content, ..sent }, body);
        self.resend.push_back(draft);
        true
    }

    /// Takes the drafts that go in the place of refused messages.
    pub(crate) fn take_resend(&mut self) -> VecDeque<Draft> {
        std::mem::take(&mut self.resend)
    }

    pub(crate) fn headers_of(&self, content: &Content) -> Headers {
        let headers = job::headers_of(self.job, content);
        match &self.excerpt {
            Some(excerpt) => headers::with(&headers, TRUNCATED, &excerpt.whole_len().to_string()),
            None => headers,
        }
    }
}
