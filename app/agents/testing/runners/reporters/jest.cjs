// Tells Watchkeeper of each test as it starts and ends, as lines on stdout that begin with a record separator.
// Only to be early: the verdict comes from jest's own JSON report. Single tests are told with jest-circus (jest 27 and
// later); of others, whole files.

'use strict'

const fs = require('node:fs')

function tell(kind, values) {
  process.stdout.write(`\n\x1e${JSON.stringify({ ...values, kind })}\n`)
}

function tellEnd(file, result) {
  const text = result.status === 'failed' ? (result.failureMessages || []).join('\n\n').slice(0, 65536) : ''
  const names = [...(result.ancestorTitles || []), result.title]
  tell('end', { file, names, state: result.status, seconds: (result.duration || 0) / 1000, text })
}

// A test that will be retried fails without being red, and nothing says so beforehand.
function mayRetry(test) {
  const config = (test.context && test.context.config) || {}
  return [test.path, ...(config.setupFilesAfterEnv || [])].some((path) => {
    try {
      return fs.readFileSync(path, 'utf8').includes('retryTimes')
    } catch {
      return false
    }
  })
}

module.exports = class WatchkeeperReporter {
  constructor() {
    this.told = new Set()
    this.held = new Map()
  }

  onTestFileStart(test) {
    this.held.set(test.path, mayRetry(test))
  }

  onTestCaseStart(test, info) {
    if (this.held.get(test.path)) return
    tell('start', { file: test.path, names: [...(info.ancestorTitles || []), info.title] })
  }

  onTestCaseResult(test, result) {
    if (this.held.get(test.path)) return
    this.told.add(test.path)
    tellEnd(test.path, result)
  }

  onTestResult(test, results) {
    if (this.told.has(test.path)) return
    for (const result of results.testResults || []) tellEnd(test.path, result)
  }
}
