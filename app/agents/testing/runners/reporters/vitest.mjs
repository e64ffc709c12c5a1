// Tells Watchkeeper of each test as it starts and ends, as lines on stdout that begin with a record separator.
// Only to be early: the verdict comes from vitest's own JSON report. Works with vitest 1 to 4; what a version does not
// call is not told.

const told = new Set()

function tell(kind, values) {
  process.stdout.write(`\n\x1e${JSON.stringify({ ...values, kind })}\n`)
}

function errorText(error) {
  const text = String(error?.stack || error?.message || error)
  const head = error?.message && !text.includes(error.message) ? `${error.message}\n` : ''
  const diff = error?.diff ? `\n${error.diff}` : ''
  return `${head}${text}${diff}`.slice(0, 65536)
}

// Vitest 3 and later: reported tasks.

function place(test) {
  const names = [test.name]
  for (let at = test.parent; at && at.type === 'suite'; at = at.parent) names.unshift(at.name)
  return { file: test.module.moduleId, names }
}

// Vitest 1 and 2: bare tasks, told of by id.

function placeOfTask(task) {
  const names = [task.name]
  for (let at = task.suite; at && at !== task.file && at.name; at = at.suite) names.unshift(at.name)
  return { file: task.file.filepath, names }
}

export default class WatchkeeperReporter {
  onInit(context) {
    this.context = context
    this.hasReportedTasks = Number.parseInt(String(context.version || '0'), 10) >= 3
  }

  onTestCaseReady(test) {
    tell('start', place(test))
  }

  onTestCaseResult(test) {
    const result = test.result()
    if (result.state === 'pending') return
    const seconds = (test.diagnostic()?.duration ?? 0) / 1000
    const text = result.state === 'failed' ? (result.errors ?? []).map(errorText).join('\n\n') : ''
    tell('end', { ...place(test), state: result.state, seconds, text })
  }

  onTestRunEnd(_modules, errors) {
    for (const error of errors ?? []) tell('error', { text: errorText(error) })
  }

  onFinished(_files, errors) {
    if (this.hasReportedTasks) return
    for (const error of errors ?? []) tell('error', { text: errorText(error) })
  }

  onTaskUpdate(packs) {
    if (this.hasReportedTasks) return
    for (const [id, result] of packs) {
      const task = this.context.state.idMap.get(id)
      if (!task || task.type === 'suite' || !result || told.has(id)) continue
      if (result.state === 'run') {
        tell('start', placeOfTask(task))
      } else if (result.state === 'pass' || result.state === 'fail') {
        told.add(id)
        const text = result.state === 'fail' ? (result.errors ?? []).map(errorText).join('\n\n') : ''
        const state = result.state === 'fail' ? 'failed' : 'passed'
        tell('end', { ...placeOfTask(task), state, seconds: (result.duration ?? 0) / 1000, text })
      }
    }
  }
}
