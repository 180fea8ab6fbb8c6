use std::ffi::c_void;

use bytes::Bytes;
use ha_abi::HaBuf;

/// Gives bytes away, without copying them.
pub fn give(bytes: impl Into<Bytes>) -> HaBuf {
    let bytes = bytes.into();
    if bytes.is_empty() {
        return HaBuf::EMPTY;
    }
    let (ptr, len) = (bytes.as_ptr(), bytes.len());
    HaBuf { ptr, len, owner: Box::into_raw(Box::new(bytes)).cast(), free: Some(free_bytes) }
}

unsafe extern "C" fn free_bytes(owner: *mut c_void) {
    // SAFETY: `give` made the owner of a box, and it is freed once.
    drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}

/// Takes bytes that were given, without copying them.
///
/// # Safety
/// `buf` is as the boundary's rules say: `len` bytes that stay as they are until it is freed,
/// which nobody else does.
#[must_use]
pub unsafe fn take(buf: HaBuf) -> Bytes {
    let taken = Taken(buf);
    if taken.0.len == 0 { Bytes::new() } else { Bytes::from_owner(taken) }
}

struct Taken(HaBuf);

impl AsRef<[u8]> for Taken {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: whoever called `take` promised that these bytes are there until they are freed.
        unsafe { std::slice::from_raw_parts(self.0.ptr, self.0.len) }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(free) = self.0.free {
            // SAFETY: it belongs to this value alone, which frees it once.
            unsafe { free(self.0.owner) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_change_hands_without_a_copy_and_are_freed_once() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let given = give(bytes.clone());
        assert_eq!(given.ptr, bytes.as_ptr());
        // SAFETY: `give` made it.
        let taken = unsafe { take(given) };
        assert_eq!(taken, bytes);
        assert!(!bytes.is_unique());
        drop(taken);
        assert!(bytes.is_unique());
        // SAFETY: `give` made it.
        assert!(unsafe { take(give(Bytes::new())) }.is_empty());
    }
}
