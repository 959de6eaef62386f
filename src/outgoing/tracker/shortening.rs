//! An excerpt in the place of a text that is longer than the server accepts.

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
    /// Sends an excerpt of a message that was too long. Returns false if none is allowed or useful.
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

    /// Takes the drafts that replace refused messages.
    pub(crate) fn take_resend(&mut self) -> VecDeque<Draft> {
        std::mem::take(&mut self.resend)
    }

    /// Headers of a message with this body; of an excerpt with the size of the whole.
    pub(crate) fn headers_of(&self, content: &Content) -> Headers {
        let headers = job::headers_of(self.job, content);
        match &self.excerpt {
            Some(excerpt) => headers::with(&headers, TRUNCATED, &excerpt.whole_len().to_string()),
            None => headers,
        }
    }
}
