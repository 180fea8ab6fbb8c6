use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ha_abi::{HaBuf, HaEntry, HaFrontend, HaPlugin, HaSlice, HaStatus, HaTransport};
use ha_bridge::take;
use ha_core::{ChangeTransport, Error, Frontend, Result, Settings, json};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::frontend::PluginFrontend;
use crate::transport::PluginTransport;
use crate::{LoadError, library, text, trust};

/// A library that was loaded, once and for the life of the process. A clone is the same one.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    path: PathBuf,
    name: String,
    version: String,
    table: HaPlugin,
    opened: AtomicU64,
    panicked: watch::Sender<Option<String>>,
}

/// How a plugin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// How many transports and front-ends it opened.
    pub opened: u64,
    /// What its transport panicked with. It is not used any more.
    pub panicked: Option<String>,
}

static LOADED: Mutex<BTreeMap<PathBuf, Plugin>> = Mutex::new(BTreeMap::new());

impl Plugin {
    /// Loads a library, which runs its code with all rights of this process. The same file again
    /// is the same plugin.
    ///
    /// # Errors
    /// If it is not there, could have been written by others, or is not a plugin of this major
    /// version.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let file = trust::trusted(path)?;
        let mut loaded = LOADED.lock();
        if let Some(plugin) = loaded.get(&file) {
            return Ok(plugin.clone());
        }
        let plugin = Self::new(file.clone(), library::load(&file)?)?;
        loaded.insert(file, plugin.clone());
        Ok(plugin)
    }

    /// A plugin that is linked into this program: the entry that its `declare_plugin!` made.
    ///
    /// # Errors
    /// As [`Self::load`].
    ///
    /// # Safety
    /// The entry keeps the rules of the boundary.
    pub unsafe fn linked(entry: HaEntry) -> Result<Self, LoadError> {
        let path = PathBuf::from("(linked)");
        // SAFETY: the caller promises it.
        let table = unsafe { library::shake_hands(&path, entry) }?;
        Self::new(path, table)
    }

    fn new(path: PathBuf, table: HaPlugin) -> Result<Self, LoadError> {
        // SAFETY: the texts of a plugin live as long as the process.
        let told = |slice: HaSlice| unsafe { String::from_utf8_lossy(slice.as_bytes()) };
        let (name, version) = (told(table.name).into_owned(), text::one_line(&told(table.version)));
        let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_named) {
            let reason = format!("its name {name:?} is not of letters, digits, - and _");
            return Err(LoadError::Broken { path, reason });
        }
        let panicked = watch::Sender::new(None);
        let opened = AtomicU64::new(0);
        Ok(Self(Arc::new(Loaded { path, name, version, table, opened, panicked })))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Major and minor version of the interface that it was made for.
    #[must_use]
    pub fn abi(&self) -> (u32, u32) {
        (self.0.table.major, self.0.table.minor)
    }

    /// The file, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether it brings a transport.
    #[must_use]
    pub fn has_transport(&self) -> bool {
        self.0.table.open_transport.is_some()
    }

    /// Whether it brings a front-end.
    #[must_use]
    pub fn has_frontend(&self) -> bool {
        self.0.table.open_frontend.is_some()
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        let panicked = self.0.panicked.borrow().clone();
        State { opened: self.0.opened.load(Ordering::Relaxed), panicked }
    }

    /// Returns what the transport panicked with, once it did: from then on all its calls fail,
    /// and the node has to end. While it does not, this waits.
    pub async fn panicked(&self) -> String {
        let mut panics = self.0.panicked.subscribe();
        match panics.wait_for(Option::is_some).await.map(|text| text.clone()) {
            Ok(Some(text)) => text,
            // The sender lives in this plugin.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The error of everything that is asked after a panic of the transport: what it holds may be
    /// half done.
    pub(crate) fn alive(&self) -> Result<()> {
        match &*self.0.panicked.borrow() {
            None => Ok(()),
            Some(text) => Err(Error::transport(self.name(), text)),
        }
    }

    /// Makes a note of a panic of the transport; the first counts, and is given.
    pub(crate) fn note_panic(&self, text: &str) -> String {
        self.0.panicked.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| text.to_owned());
            first
        });
        self.0.panicked.borrow().clone().unwrap_or_default()
    }

    /// Opens a transport.
    ///
    /// # Errors
    /// What the plugin says, or that it has none.
    pub async fn open_transport(&self, settings: Settings) -> Result<Arc<dyn ChangeTransport>> {
        let Some(open) = self.0.table.open_transport else {
            return Err(self.lacks("transport"));
        };
        let call = move |settings: &[u8], error: &mut HaBuf| {
            let mut table = HaTransport::EMPTY;
            // SAFETY: the plugin's opener, called by the rules of the boundary.
            (unsafe { open(HaSlice::new(settings), &raw mut table, error) }, table)
        };
        let table = self.open(settings, call).await?;
        Ok(Arc::new(PluginTransport::new(table, self.clone())?))
    }

    /// Opens a front-end, which is bound then.
    ///
    /// # Errors
    /// What the plugin says, or that it has none.
    pub async fn open_frontend(&self, settings: Settings) -> Result<Arc<dyn Frontend>> {
        let Some(open) = self.0.table.open_frontend else {
            return Err(self.lacks("front-end"));
        };
        let call = move |settings: &[u8], error: &mut HaBuf| {
            let mut table = HaFrontend::EMPTY;
            // SAFETY: the plugin's opener, called by the rules of the boundary.
            (unsafe { open(HaSlice::new(settings), &raw mut table, error) }, table)
        };
        let table = self.open(settings, call).await?;
        Ok(Arc::new(PluginFrontend::new(table, self.name())?))
    }

    /// Openers may block: they are called where that harms nobody.
    async fn open<T: Send + 'static>(
        &self,
        settings: Settings,
        call: impl FnOnce(&[u8], &mut HaBuf) -> (HaStatus, T) + Send + 'static,
    ) -> Result<T> {
        let settings = json::write_settings(&settings);
        let opening = tokio::task::spawn_blocking(move || {
            let mut error = HaBuf::EMPTY;
            let (status, table) = call(&settings, &mut error);
            // SAFETY: the plugin gives the error away, or left it empty.
            (status, table, unsafe { take(error) })
        });
        let (status, table, error) =
            opening.await.map_err(|error| Error::transport(self.name(), error))?;
        if status != HaStatus::OK {
            return Err(json::failure(self.name(), &text::lines(&error)));
        }
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        Ok(table)
    }

    fn lacks(&self, what: &str) -> Error {
        Error::config(self.name(), format!("the plugin {} has no {what}", self.path().display()))
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.0.name)
            .field("version", &self.0.version)
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}
