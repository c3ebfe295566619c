//! Disjoint writes into one slice from several threads.

use std::marker::PhantomData;

/// A slice that several threads write, each its own ranges.
pub(crate) struct Shared<'a, T> {
    data: *mut T,
    length: usize,
    _borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: access goes through the unsafe methods, whose callers keep ranges disjoint.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as for a mutable slice.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(data: &'a mut [T]) -> Shared<'a, T> {
        Shared { data: data.as_mut_ptr(), length: data.len(), _borrow: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// # Safety
    /// No other thread uses this range while the result lives.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn range(&self, first: usize, length: usize) -> &mut [T] {
        assert!(first + length <= self.length);
        // SAFETY: the range is inside the slice and, by the caller's promise, unshared.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(first), length) }
    }

    /// The address of element `index`.
    ///
    /// # Safety
    /// `index` is at most the length; writes through the pointer stay inside the slice and are not
    /// shared with another thread.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, index: usize) -> *mut T {
        debug_assert!(index <= self.length);
        // SAFETY: the caller keeps the index inside.
        unsafe { self.data.add(index) }
    }
}
