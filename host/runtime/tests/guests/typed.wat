;; A guest with a typed door only. The marked place is replaced by the body of its `predict`, which leaves the address
;; of the result.
(module
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 16384))
  (data (i32.const 1024) "{\"name\":\"typed\"}")
  (data (i32.const 1056) "row 0, feature `age`: -1 is below 0")

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  ;; The first number of the first column, as the only value of the only row.
  (func $first_number (param $columns i32) (result i32)
    (i32.store8 (i32.const 256) (i32.const 0))                                 ;; ok
    (i32.store (i32.const 260) (i32.const 1))                                  ;; rows
    (i32.store (i32.const 264) (i32.const 1))                                  ;; outputs
    (i32.store (i32.const 268) (i32.load offset=4 (local.get $columns)))       ;; values: the column's own list
    (i32.store (i32.const 272) (i32.const 1))
    (i32.const 256))

  (func $refuse (param $columns i32) (result i32)
    (i32.store8 (i32.const 256) (i32.const 1))                                 ;; err
    (i32.store8 (i32.const 260) (i32.const 0))                                 ;; invalid
    (i32.store (i32.const 264) (i32.const 1056))
    (i32.store (i32.const 268) (i32.const 35))
    (i32.const 256))

  (func (export "hyaline:function/model@0.1.0#predict") (param $columns i32) (param $count i32) (result i32)
    (;PREDICT;))

  (func (export "hyaline:function/model@0.1.0#explain")
    (param $columns i32) (param $count i32)
    (param $has_method i32) (param $method i32) (param $method_length i32)
    (param $has_space i32) (param $space i32)
    (param $has_seed i32) (param $seed i64)
    (param $has_samples i32) (param $samples i32)
    (param $has_tolerance i32) (param $tolerance f64)
    (result i32)
    (unreachable))

  (func (export "hyaline:function/model@0.1.0#card") (result i32)
    (i32.store (i32.const 128) (i32.const 1024))
    (i32.store (i32.const 132) (i32.const 16))
    (i32.const 128))
)
