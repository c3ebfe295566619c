/** Arrays in NumPy's `.npy` form, which every engine reads. */
import { readFileSync, writeFileSync } from 'node:fs'

const TYPES = { '<f4': Float32Array, '<i4': Int32Array } as const
const HEADER = 128

/** Numbers with their shape. */
export interface Values<T extends Float32Array | Int32Array = Float32Array | Int32Array> {
  shape: readonly number[]
  values: T
}

/** Writes `values` row after row. */
export function writeNpy(path: string, { shape, values }: Values): void {
  const type = values instanceof Float32Array ? '<f4' : '<i4'
  const description = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.map(size => `${size},`).join(' ')}), }`
  const header = Buffer.alloc(HEADER, ' ')
  header.write('\x93NUMPY\x01\x00', 'latin1')
  header.writeUInt16LE(HEADER - 10, 8)
  header.write(description, 10, 'latin1')
  header.write('\n', HEADER - 1)
  writeFileSync(
    path,
    Buffer.concat([header, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]),
  )
}

/** Reads what {@link writeNpy} wrote. */
export function readNpy<T extends Float32Array | Int32Array>(path: string): Values<T> {
  const bytes = readFileSync(path)
  const header = bytes.toString('latin1', 0, HEADER)
  const type = /'descr': '(<f4|<i4)'/.exec(header)?.[1] as keyof typeof TYPES | undefined
  const sizes = /'shape': \(([\d, ]*)\)/.exec(header)?.[1]
  if (type === undefined || sizes === undefined) throw new Error(`${path} is not an array of this benchmark`)
  const shape = sizes.split(',').flatMap(size => (size.trim() === '' ? [] : [Number(size)]))
  const body = new Uint8Array(bytes.subarray(HEADER))
  return { shape, values: new TYPES[type](body.buffer) as T }
}
