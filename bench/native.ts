/** The addon as the package loads it. */
import path from 'node:path'
import type * as Load from '../src/native/load'
import { ROOT } from './places'

export const { native } = require(path.join(ROOT, 'dist/native/load.js')) as typeof Load
