//! What goes to stdout, and the only place that writes there. stdout is data: messages, objects,
//! a ticket.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::Value;

use super::json::json;
use super::render::{Letter, Style, render, visible};

/// What is written at a time.
const BUFFER_LEN: usize = 64 << 10;

/// When colours are used on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// On a terminal, even if `NO_COLOR` is set
    Always,
    /// Nowhere
    Never,
}

impl Color {
    /// Whether to colour what goes to stdout.
    pub(super) fn is_on(self) -> bool {
        match self {
            Self::Auto => {
                is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Whether a person is looking at stdout.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Where letters are written to. They have left when it is flushed.
pub(super) fn out() -> impl Write {
    BufWriter::with_capacity(BUFFER_LEN, io::stdout().lock())
}

/// Prints an answer to a message.
pub(super) fn reply(style: Style, reply: &Letter) -> Result<()> {
    let mut out = out();
    written(render(style, reply, &mut out).and_then(|()| out.flush()))
}

/// Prints a line of data. A reader that has gone is no error.
pub(super) fn line(text: &str) -> Result<()> {
    written(write(format!("{text}\n").as_bytes()))
}

fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("stdout cannot be written")
        }
        _ => Ok(()),
    }
}

/// Prints a line with something of somebody else's in it, without what a terminal would act on.
pub(super) fn text(text: &str) -> Result<()> {
    line(&visible(text))
}

/// Prints a JSON object, its fields in alphabetical order.
pub(super) fn object(fields: &[(&str, Value)]) -> Result<()> {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    line(&json(&Value::Object(fields.collect())))
}

/// Passes on what another program prints.
pub(super) fn pass(bytes: &[u8]) -> io::Result<()> {
    write(bytes)
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
