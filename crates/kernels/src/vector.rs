//! Four floats side by side: the vectors of wasm where there are any, else an array. Both round every operation alike.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[expect(
    unsafe_code,
    reason = "loads of whole vectors are raw in `core::arch`; each reads an array that is borrowed"
)]
mod own {
    use core::arch::wasm32::{
        f32x4_add, f32x4_mul, f32x4_splat, i32x4_shuffle, v128, v128_load, v128_load32_splat,
        v128_store,
    };

    #[derive(Clone, Copy)]
    pub(crate) struct Four(v128);

    impl Four {
        #[inline(always)]
        pub(crate) fn zero() -> Four {
            Four(f32x4_splat(0.0))
        }

        #[inline(always)]
        pub(crate) fn all(x: &f32) -> Four {
            // SAFETY: the four bytes of a borrowed number can be read.
            Four(unsafe { v128_load32_splat(core::ptr::from_ref(x).cast()) })
        }

        #[inline(always)]
        pub(crate) fn load(x: &[f32; 4]) -> Four {
            // SAFETY: the sixteen bytes of a borrowed array can be read, however they are aligned.
            Four(unsafe { v128_load(core::ptr::from_ref(x).cast()) })
        }

        #[inline(always)]
        pub(crate) fn store(self, to: &mut [f32; 4]) {
            // SAFETY: the sixteen bytes of an array that is borrowed mutably can be written, however they are aligned.
            unsafe { v128_store(core::ptr::from_mut(to).cast(), self.0) }
        }

        /// One of the four in every place.
        #[inline(always)]
        pub(crate) fn spread<const PLACE: usize>(self) -> Four {
            Four(i32x4_shuffle::<PLACE, PLACE, PLACE, PLACE>(self.0, self.0))
        }

        /// `self + a · b`, rounded twice.
        #[inline(always)]
        pub(crate) fn plus(self, a: Four, b: Four) -> Four {
            Four(f32x4_add(self.0, f32x4_mul(a.0, b.0)))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod own {
    #[derive(Clone, Copy)]
    pub(crate) struct Four([f32; 4]);

    impl Four {
        #[inline(always)]
        pub(crate) fn zero() -> Four {
            Four([0.0; 4])
        }

        #[inline(always)]
        pub(crate) fn all(x: &f32) -> Four {
            Four([*x; 4])
        }

        #[inline(always)]
        pub(crate) fn load(x: &[f32; 4]) -> Four {
            Four(*x)
        }

        #[inline(always)]
        pub(crate) fn store(self, to: &mut [f32; 4]) {
            *to = self.0;
        }

        /// One of the four in every place.
        #[inline(always)]
        pub(crate) fn spread<const PLACE: usize>(self) -> Four {
            Four([self.0[PLACE]; 4])
        }

        /// `self + a · b`, rounded twice.
        #[inline(always)]
        pub(crate) fn plus(self, a: Four, b: Four) -> Four {
            let ([s0, s1, s2, s3], [a0, a1, a2, a3], [b0, b1, b2, b3]) = (self.0, a.0, b.0);
            Four([s0 + a0 * b0, s1 + a1 * b1, s2 + a2 * b2, s3 + a3 * b3])
        }
    }
}

pub(crate) use own::Four;
