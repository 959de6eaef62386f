//! The last lines that a command printed.

use std::collections::VecDeque;

use crate::handler::limits::{LINE_LEN_MAX, TAIL_LEN_MAX};

/// The last lines of two streams, in the order in which they ended.
pub(crate) struct OutputTail {
    lines: VecDeque<Vec<u8>>,
    lines_max: usize,
    bytes: usize,
}

impl OutputTail {
    pub(crate) fn new(lines_max: usize) -> Self {
        Self { lines: VecDeque::new(), lines_max, bytes: 0 }
    }

    /// Adds a piece of a stream. `begun` holds the beginning of its unfinished last line.
    pub(crate) fn push(&mut self, begun: &mut Vec<u8>, piece: &[u8]) {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            begun.extend_from_slice(part);
            begun.drain(..begun.len().saturating_sub(LINE_LEN_MAX));
            if begun.ends_with(b"\n") {
                self.line(begun);
                begun.clear();
            }
        }
    }

    pub(crate) fn line(&mut self, line: &[u8]) {
        let mut line = line.to_vec();
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > self.lines_max || self.bytes > TAIL_LEN_MAX {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.len();
        }
    }

    pub(crate) fn take_text(&mut self) -> Vec<u8> {
        self.bytes = 0;
        self.lines.drain(..).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_LEN_MAX, OutputTail, TAIL_LEN_MAX};

    fn kept(lines_max: usize, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut tail, mut line) = (OutputTail::new(lines_max), Vec::new());
        pieces.iter().for_each(|piece| tail.push(&mut line, piece));
        if !line.is_empty() {
            tail.line(&line);
        }
        tail.take_text()
    }

    #[test]
    fn the_last_lines_are_kept() {
        assert_eq!(kept(2, &[b"a\nb\nc\n"]), b"b\nc\n");
        assert_eq!(kept(2, &[b"a\nb", b"b\n", b"c"]), b"bb\nc\n");
        assert_eq!(kept(0, &[b"a\nb"]), b"");
        assert_eq!(kept(9, &[]), b"");
        let long = kept(9, &[&[b'x'; 3 * LINE_LEN_MAX], b"y\n"]);
        assert!(long.len() == LINE_LEN_MAX && long.ends_with(b"xy\n"));
        let line = [vec![b'x'; 1000], b"\n".to_vec()].concat();
        let many = kept(60_000, &[&line.repeat(1000)]);
        assert!(many.len() <= TAIL_LEN_MAX && many.len() > TAIL_LEN_MAX - 2000);
    }
}
