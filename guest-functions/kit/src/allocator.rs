//! Memory that forgets: until the model is sealed, what is freed is zeroed.
//!
//! The snapshot of a loaded engine keeps every byte that is not zero, so a buffer that loading used and gave back would
//! be part of the function for ever: of its size, and of what an instance reads from disk.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

/// The system's allocator, which zeroes what is freed before [`seal`].
struct Forgetting;

static SEALED: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ALLOCATOR: Forgetting = Forgetting;

/// From now on freed memory is left as it is.
pub(crate) fn seal() {
    SEALED.store(true, Ordering::Relaxed);
}

// SAFETY: every call goes to `System` with the layout it came with. What is written is written to memory that the caller
// owned until this call and that nobody else has yet.
unsafe impl GlobalAlloc for Forgetting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` is a live allocation of `layout.size()` bytes, and freed once, here.
        unsafe {
            if !SEALED.load(Ordering::Relaxed) {
                memory.write_bytes(0, layout.size());
            }
            System.dealloc(memory, layout);
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if SEALED.load(Ordering::Relaxed) {
            // SAFETY: the caller keeps to the contract of `realloc`.
            return unsafe { System.realloc(memory, layout, size) };
        }
        // SAFETY: `realloc` takes no size that overflows with its alignment.
        let grown = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the new block is another one and has room for what is copied; the old one is freed once.
        unsafe {
            let moved = System.alloc(grown);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(memory, layout.size().min(size));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}
