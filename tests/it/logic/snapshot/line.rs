//! Lines of a record.

use std::fmt;

/// Equal bytes in a row that are written as a run.
const RUN_MIN: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Opened(String),
    Lost(String),
    Passed(u64),
    Client { name: String, bytes: Vec<u8> },
    Server { name: String, bytes: Vec<u8> },
}

impl Line {
    pub(super) fn parse(line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words[0].to_owned();
        match words[1] {
            "+" => Self::Opened(name),
            "-" => Self::Lost(name),
            ">" => Self::Client { name, bytes: crate::wire::unhex(&words[2..]) },
            "<" => Self::Server { name, bytes: crate::wire::unhex(&words[2..]) },
            ms => Self::Passed(ms.parse().unwrap()),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(name) => write!(f, "{name} +"),
            Self::Lost(name) => write!(f, "{name} -"),
            Self::Passed(ms) => write!(f, "= {ms}"),
            Self::Client { name, bytes } => write!(f, "{name} > {}", hex(bytes)),
            Self::Server { name, bytes } => write!(f, "{name} < {}", hex(bytes)),
        }
    }
}

/// Hex words, with runs as `xx*n`.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut words = vec![String::new()];
    for run in bytes.chunk_by(|a, b| a == b) {
        if run.len() < RUN_MIN {
            words.last_mut().unwrap().push_str(&data_encoding::HEXLOWER.encode(run));
        } else {
            words.push(format!("{:02x}*{}", run[0], run.len()));
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}
