//! Memory for arrays, from the system as NumPy asks for it: large ones in huge pages.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Zeroed words, aligned to a cache line; from 4 MiB up to a huge page, which is then asked for.
pub struct Buffer {
    pointer: NonNull<u64>,
    layout: Layout,
}

const CACHE_LINE: usize = 64;
const HUGE_PAGE: usize = 1 << 21;
/// Where NumPy starts to ask for huge pages.
const LARGE: usize = 1 << 22;

impl Buffer {
    /// At least `bytes` bytes, in whole cache lines.
    pub fn new(bytes: usize) -> Buffer {
        let size = bytes.max(1).next_multiple_of(CACHE_LINE);
        let align = if size < LARGE { CACHE_LINE } else { HUGE_PAGE };
        let Ok(layout) = Layout::from_size_align(size, align) else {
            panic!("{bytes} bytes are more than an array can have")
        };
        // SAFETY: the size is not 0.
        let pointer = unsafe { alloc(layout) };
        let Some(pointer) = NonNull::new(pointer) else { handle_alloc_error(layout) };
        #[cfg(target_os = "linux")]
        if size >= LARGE {
            // SAFETY: the range is this allocation; the advice changes no contents. A system
            // without huge pages refuses, and that is as well.
            unsafe { libc::madvise(pointer.as_ptr().cast(), size, libc::MADV_HUGEPAGE) };
        }
        // After the advice: a page that is written gets its size then.
        // SAFETY: the allocation is this long.
        unsafe { pointer.write_bytes(0, size) };
        Buffer { pointer: pointer.cast(), layout }
    }

    pub fn pointer(&self) -> *mut u8 {
        self.pointer.as_ptr().cast()
    }

    pub fn words(&self) -> &[u64] {
        // SAFETY: the allocation is this long, initialised, and borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.layout.size() / 8) }
    }

    pub fn words_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above, and borrowed for writing with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.layout.size() / 8) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; bytes have no alignment to keep.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.layout.size()) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.pointer(), self.layout) };
    }
}
