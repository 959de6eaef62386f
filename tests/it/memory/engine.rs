//! The model store as an engine, with the same interface as the engine on SQLite.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use qmsg::durable::{
    CommitError, Found, Outcome, Read, ReadEngine, StoreError, Write, WriteEngine,
};
use qmsg::store::{Done, Store};

use super::MemoryStore;

/// Either half of an engine; both use one store.
#[derive(Clone)]
struct MemoryEngine(Arc<Mutex<MemoryStore>>);

impl MemoryEngine {
    fn store(&self) -> MutexGuard<'_, MemoryStore> {
        self.0.lock().unwrap()
    }
}

impl WriteEngine for MemoryEngine {
    fn commit<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, CommitError> {
        let mut store = self.store();
        Ok(writes.map(|write| store.write(write)).collect())
    }

    /// Never called: the model reports a full disk by itself.
    fn refuse<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut store = self.store();
        Ok(writes.map(|write| store.write(write)).collect())
    }
}

impl ReadEngine for MemoryEngine {
    fn read(&mut self, read: &Read) -> Result<Found, StoreError> {
        Ok(self.store().read(read))
    }
}

impl MemoryStore {
    /// Starts a store on this model.
    pub(crate) fn serve(self, done: impl Fn(Done) + Send + Sync + 'static) -> io::Result<Store> {
        let engine = MemoryEngine(Arc::new(Mutex::new(self)));
        Store::start(engine.clone(), engine, done)
    }
}
