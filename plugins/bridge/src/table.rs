use std::ptr;

/// Fills a struct of the other side, which begins with its size: no more than it has room for.
/// The size becomes what was filled.
///
/// # Safety
/// `out` begins with a `usize` that says how many bytes may be written there, as does `T`, and
/// `T` is `repr(C)`.
pub unsafe fn fill<T: Copied>(out: *mut T, value: &T) {
    // SAFETY: the caller promises that a size is there.
    let room = unsafe { out.cast::<usize>().read() };
    let filled = room.min(size_of::<T>());
    // SAFETY: the caller promises that there is room for so many bytes.
    unsafe {
        ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>(), out.cast::<u8>(), filled);
        out.cast::<usize>().write(filled);
    }
}

/// Whether a struct whose `size` is this one has all that `T` has.
#[must_use]
pub fn fits<T>(size: usize) -> bool {
    size >= size_of::<T>()
}

/// The structs that begin with their size and may be copied by their bytes.
pub trait Copied {}

impl Copied for ha_abi::HaCapabilities {}
impl Copied for ha_abi::HaFrontend {}
impl Copied for ha_abi::HaPlugin {}
impl Copied for ha_abi::HaTransport {}

#[cfg(test)]
mod tests {
    use ha_abi::HaCapabilities;

    use super::*;

    #[test]
    fn no_more_is_filled_than_there_is_room_for() {
        let full = HaCapabilities { max_part_bytes: 7, max_parts: 9, ..Default::default() };
        let mut old = HaCapabilities { size: 16, max_parts: 1, ..Default::default() };
        // SAFETY: there are more than 16 bytes.
        unsafe { fill(&raw mut old, &full) };
        assert_eq!((old.size, old.max_part_bytes, old.max_parts), (16, 7, 1));
        let size = size_of::<HaCapabilities>();
        let mut new = HaCapabilities { size: size + 8, ..Default::default() };
        // SAFETY: the value has `size` bytes, and no more are written.
        unsafe { fill(&raw mut new, &full) };
        assert_eq!((new.size, new.max_parts), (size, 9));
    }
}
