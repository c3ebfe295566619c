/** What the package needs, and what installs it again. */

/** The least version of Node.js, as `engines` in package.json has it. */
export const LEAST_NODE = '20.19'

/** What mends an installed package of which something is missing or damaged. */
export const REINSTALL = 'remove node_modules and install again on this machine: npm ci'

/** What makes the addon in a checkout. */
export const BUILD = 'npm run build:native'
