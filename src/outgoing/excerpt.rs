//! Excerpts of texts that are longer than the server accepts.

use bytes::Bytes;

use crate::failure::{Exit, Failure};
use crate::message::content::Content;
use crate::outgoing::limits::{EXCERPT_LEN_MAX, TEXT_LEN_MAX};
use crate::text::excerpt;

/// Bytes that are read at a time.
const PIECE_LEN: usize = 64 << 10;

/// The beginning and the end of a text that is sent instead of it.
#[derive(Debug)]
pub(crate) struct Excerpt {
    content: Content,
    /// Bytes of the whole text.
    whole_len: u64,
    /// Longest body that the server accepts, in bytes.
    max: u64,
}

impl Excerpt {
    /// Makes the excerpt of a text that is longer than `max` bytes. `None` if `max` is 0, or if the
    /// content is not text: a part of anything else may be useless.
    pub(crate) fn from_text(content: &Content, max: u64) -> Option<Self> {
        let size = content.size();
        let len_max = max.min(EXCERPT_LEN_MAX);
        if len_max == 0 || size <= max || size > TEXT_LEN_MAX || !is_text(content) {
            return None;
        }
        let enough = len_max + 1;
        let start = content.read(0, enough as usize).ok()?;
        let end = content.read(size.saturating_sub(enough), enough as usize).ok()?;
        let excerpt = excerpt::of_ends(&start, &end, size, len_max as usize);
        Some(Self { content: Content::Memory(Bytes::from(excerpt)), whole_len: size, max })
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// Bytes of the whole text.
    pub(crate) fn whole_len(&self) -> u64 {
        self.whole_len
    }

    /// The failure of a command that has sent an excerpt: the job is only half done.
    pub(crate) fn failure(&self) -> Failure {
        let Self { whole_len, max, content } = self;
        let what = format!(
            "the body of {whole_len} bytes is over the server's limit of {max} bytes, so only an \
             excerpt of {} bytes was sent",
            content.size()
        );
        let hint = "send less, or ask its operator to raise --max-body";
        Failure::new(Exit::Data, what).hint(hint)
    }
}

/// True if a content is UTF-8 without a NUL.
fn is_text(content: &Content) -> bool {
    let mut rest: Vec<u8> = Vec::new();
    for piece in content.pieces(0..content.size(), PIECE_LEN) {
        let Ok(piece) = piece else { return false };
        rest.extend_from_slice(&piece);
        let valid = match str::from_utf8(&rest) {
            Ok(_) => rest.len(),
            // The rest of a character may be in the next piece.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return false,
        };
        if rest[..valid].contains(&0) {
            return false;
        }
        rest.drain(..valid);
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Content, Excerpt, PIECE_LEN, is_text};

    #[test]
    fn a_text_is_utf_8_without_a_nul() {
        let wide = [&b"x"[..], "ü".repeat(PIECE_LEN).as_bytes()].concat();
        for (bytes, wanted) in [
            (&b""[..], true),
            (b"plain\n", true),
            (&wide, true),
            (&wide[..wide.len() - 1], false),
            (b"a\0b", false),
            (b"\xff", false),
            (&[&wide[..], b"\xe4 "].concat(), false),
        ] {
            let content = Content::Memory(bytes.to_vec().into());
            assert_eq!(is_text(&content), wanted, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn only_a_text_that_is_too_long_is_shortened() {
        let of = |bytes: Vec<u8>, max| {
            let excerpt = Excerpt::from_text(&Content::Memory(bytes.into()), max)?;
            assert!(excerpt.content.size() <= max);
            Some(excerpt.whole_len)
        };
        let lines = b"a line of a log\n".repeat(9000);
        assert_eq!(of(lines.clone(), 65_536), Some(144_000));
        assert_eq!(of(lines.clone(), 144_000), None);
        assert_eq!(of(lines.clone(), 0), None);
        assert_eq!(of(lines, 10), Some(144_000));
        assert_eq!(of(vec![0; 100], 10), None);
    }
}
