use ha_abi::{HaCapabilities, HaTransport};
use ha_bridge::take;
use ha_core::Capabilities;

/// The functions of a transport, all of them; gives it back when it is dropped.
pub(super) struct Table(HaTransport);

/// Calls a function of a [`Table`].
macro_rules! call {
    ($table:expr, $function:ident($($argument:expr),*)) => {{
        let (function, ctx) = $table.functions(|table| table.$function);
        // SAFETY: the transport is there until it is dropped, and what is lent is for the call.
        unsafe { function(ctx, $($argument),*) }
    }};
}
pub(super) use call;

impl Table {
    /// What an opener filled, or the name of a function that it left out.
    pub(super) fn new(table: HaTransport) -> Result<Self, &'static str> {
        let Some(name) = missing(&table) else { return Ok(Self(table)) };
        if let Some(drop) = table.drop {
            // SAFETY: nobody has used it.
            unsafe { drop(table.ctx) };
        }
        Err(name)
    }

    /// A function, and what it is called with first.
    pub(super) fn functions<F>(
        &self,
        function: impl FnOnce(&HaTransport) -> Option<F>,
    ) -> (F, *mut std::ffi::c_void) {
        (function(&self.0).expect("a table has all functions"), self.0.ctx)
    }

    pub(super) fn display(&self) -> String {
        let text = call!(self, display());
        // SAFETY: the text is given away.
        let text = unsafe { take(text) };
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let size = size_of::<HaCapabilities>();
        let mut told = HaCapabilities { size, ..HaCapabilities::default() };
        call!(self, capabilities(&raw mut told));
        Capabilities {
            replicated: told.replicated != 0,
            synced: told.synced != 0,
            max_part_bytes: usize::try_from(told.max_part_bytes).unwrap_or(usize::MAX),
            max_parts: told.max_parts,
            snapshots: told.snapshots != 0,
            trim: told.trim != 0,
            readable: told.readable != 0,
            exact_bounds: told.exact_bounds != 0,
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        call!(self, drop());
    }
}

fn missing(table: &HaTransport) -> Option<&'static str> {
    let functions = [
        ("display", table.display.is_some()),
        ("capabilities", table.capabilities.is_some()),
        ("append", table.append.is_some()),
        ("subscribe", table.subscribe.is_some()),
        ("read", table.read.is_some()),
        ("bounds", table.bounds.is_some()),
        ("trim", table.trim.is_some()),
        ("put_snapshot", table.put_snapshot.is_some()),
        ("snapshots", table.snapshots.is_some()),
        ("get_snapshot", table.get_snapshot.is_some()),
        ("remove_snapshot", table.remove_snapshot.is_some()),
        ("warnings", table.warnings.is_some()),
        ("health", table.health.is_some()),
        ("remove_member", table.remove_member.is_some()),
        ("close", table.close.is_some()),
        ("drop", table.drop.is_some()),
    ];
    functions.into_iter().find(|(_, there)| !there).map(|(name, _)| name)
}
