//! Options as `NAME=VALUE`, with a default for each.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};

use crate::client::Server;

pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn new(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let split = |argument: String| {
            let (name, value) = argument.split_once('=').context("options are NAME=VALUE")?;
            Ok((name.to_owned(), value.to_owned()))
        };
        Ok(Self(arguments.map(split).collect::<Result<_>>()?))
    }

    pub(crate) fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }

    pub(crate) fn number<T>(&self, name: &str, default: T) -> Result<T>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let given = self.0.get(name).map(|value| value.parse());
        given.transpose().with_context(|| name.to_owned()).map(|value| value.unwrap_or(default))
    }

    /// Server to connect to. Must be called inside a tokio runtime.
    pub(crate) fn server(&self) -> Result<Server> {
        let address = self.text("server", "127.0.0.1:24433");
        Server::new(address, Path::new(self.text("key", "peer.key.pem")))
    }

    /// True if the messages are volatile.
    pub(crate) fn volatile(&self) -> bool {
        self.text("volatile", "0") == "1"
    }
}
