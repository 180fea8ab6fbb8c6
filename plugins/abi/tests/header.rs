//! The header and the crate describe the same layout: a C program prints its own.

use std::fmt::Write as _;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use ha_abi::*;

/// Size and offsets of the fields, as Rust sees them, and the C code that prints them.
macro_rules! layouts {
    ($($name:ident { $($field:ident),* })*) => {{
        let mut ours = String::new();
        let mut code = String::new();
        $(
            let name = stringify!($name);
            writeln!(ours, "{name} {}", size_of::<$name>()).unwrap();
            writeln!(code, "printf(\"{name} %zu\\n\", sizeof({name}));").unwrap();
            $(
                let field = stringify!($field);
                writeln!(ours, "{name}.{field} {}", offset_of!($name, $field)).unwrap();
                writeln!(code, "printf(\"{name}.{field} %zu\\n\", offsetof({name}, {field}));").unwrap();
            )*
        )*
        (ours, code)
    }};
}

#[test]
fn the_header_is_the_crate() {
    let (ours, code) = layouts! {
        HaSlice { ptr, len }
        HaBuf { ptr, len, owner, free }
        HaCompletion { ctx, done }
        HaStream { ctx, next, drop }
        HaStreamCompletion { ctx, done }
        HaEngine {
            size, ctx, execute, session_open, session_run, session_begin, session_commit,
            session_rollback, session_describe, session_transaction, session_cancel,
            session_abandon, session_close, outcome, changes, snapshot, status, health,
            remove_member, drop
        }
        HaFrontend { size, ctx, display, serve, stop, drop }
        HaCapabilities {
            size, max_part_bytes, max_parts, replicated, synced, snapshots, trim, readable,
            exact_bounds
        }
        HaDraft {
            size, expect, has_expect, parts_len, parts, attempt_boot, attempt_counter
        }
        HaTransport {
            size, ctx, display, capabilities, append, subscribe, read, bounds, trim, put_snapshot,
            snapshots, get_snapshot, remove_snapshot, warnings, health, remove_member, close, drop
        }
        HaHost { size, major, minor, ctx, log, log_enabled }
        HaPlugin { size, major, minor, name, version, open_transport, open_frontend }
    };
    let constants = format!(
        "HA_MAJOR {MAJOR}\nHA_MINOR {MINOR}\nHA_OK {}\nHA_END {}\nHA_NONE {}\nHA_ERROR {}\n\
         HA_PANICKED {}\nHA_ABI {}\nHA_LOG_ERROR {}\nHA_LOG_WARN {}\nHA_LOG_INFO {}\n\
         HA_LOG_DEBUG {}\nHA_LOG_TRACE {}\nHA_DELIVERY_ENTRY {}\nHA_DELIVERY_RECONNECTED {}\n",
        HaStatus::OK.0,
        HaStatus::END.0,
        HaStatus::NONE.0,
        HaStatus::ERROR.0,
        HaStatus::PANICKED.0,
        HaStatus::ABI.0,
        level::ERROR,
        level::WARN,
        level::INFO,
        level::DEBUG,
        level::TRACE,
        delivery::ENTRY,
        delivery::RECONNECTED,
    );
    let mut code = code;
    for line in constants.lines() {
        let name = line.split(' ').next().unwrap();
        writeln!(code, "printf(\"{name} %d\\n\", (int)({name}));").unwrap();
    }
    // The symbol has the type that the header gives it.
    code += "HaStatus (*entry)(const HaHost *, HaPlugin *) = ha_plugin_v1; (void)entry;";
    assert_eq!(printed(&code), ours + &constants);
}

fn printed(code: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("layout.c");
    let program = format!(
        "#include <stdio.h>\n#include \"ha_plugin.h\"\n\
         HaStatus ha_plugin_v1(const HaHost *h, HaPlugin *o) {{ (void)h; (void)o; return HA_OK; }}\n\
         int main(void) {{\n{code}\nreturn 0;\n}}\n"
    );
    std::fs::write(&source, program).unwrap();
    let binary = directory.path().join("layout");
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I"]).arg(header);
    assert!(cc.arg("-o").arg(&binary).arg(&source).status().expect("cc is installed").success());
    String::from_utf8(Command::new(binary).output().unwrap().stdout).unwrap()
}
