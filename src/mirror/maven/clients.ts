import type { ClientSetup } from "../format.ts";
import { escapeXml } from "../xml.ts";

/** How Maven and Gradle are pointed at a repository. */
export function clients(options: { readonly base: string; readonly isSealed: boolean }): readonly ClientSetup[] {
  const { base, isSealed } = options;
  return [
    {
      client: "mvn",
      files: [{ path: "~/.m2/settings.xml", content: mavenSettings(base, isSealed ? sealedProfile : "") }],
      // Read since Maven 3.9; the settings need no argument where they lie in the home.
      environment: { MAVEN_ARGS: "--batch-mode --no-transfer-progress" },
    },
    {
      client: "gradle",
      files: [{ path: "~/.gradle/init.d/mintmark.gradle", content: gradleScript(base) }],
      environment: {},
    },
  ];
}

/**
 * A mirror of everything, also of what POMs name.
 *
 * A user's mirror comes before the installation's own that blocks plain http, and what a mirror stands for is not
 * looked up again: so plain http works here.
 */
function mavenSettings(base: string, profiles: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0">
  <mirrors>
    <mirror>
      <id>mintmark</id>
      <mirrorOf>*</mirrorOf>
      <url>${escapeXml(base)}/</url>
    </mirror>
  </mirrors>
${profiles}</settings>
`;
}

/**
 * Has the archives that Maven makes tell the build's time, so that a replay makes the same bytes.
 *
 * Source: Maven's guide to reproducible builds: from maven-jar-plugin 3.2 on, plugins that pack take the property, also in
 * seconds, as SOURCE_DATE_EPOCH is.
 */
const sealedProfile = `  <profiles>
    <profile>
      <id>mintmark-sealed</id>
      <activation>
        <property>
          <name>env.SOURCE_DATE_EPOCH</name>
        </property>
      </activation>
      <properties>
        <project.build.outputTimestamp>\${env.SOURCE_DATE_EPOCH}</project.build.outputTimestamp>
      </properties>
    </profile>
  </profiles>
`;

/**
 * Points every repository that a build names at the mirror where it is declared, so that content filters and the mode of
 * repositories stay as they are; where a build names none for its plugins, the mirror takes the place of the portal.
 */
function gradleScript(base: string): string {
  const insecure = base.startsWith("http:")
    ? "\n            if (repository.hasProperty('allowInsecureProtocol')) repository.allowInsecureProtocol = true"
    : "";
  return `def mirror = uri(${groovyText(`${base}/`)})
def redirect = { repositories ->
    repositories.all { repository ->
        if (repository instanceof MavenArtifactRepository && repository.url?.scheme in ['http', 'https'] && repository.url != mirror) {
            repository.url = mirror${insecure}
        }
    }
}
def addMirror = { repositories ->
    repositories.maven { repository ->
        repository.name = 'mintmark'
        repository.url = mirror${insecure.replace(/^\n {12}/, "\n        ")}
    }
}
def settle = { settings ->
    if (settings.hasProperty('buildscript')) redirect(settings.buildscript.repositories)
    redirect(settings.pluginManagement.repositories)
    addMirror(settings.pluginManagement.repositories)
    if (settings.hasProperty('dependencyResolutionManagement')) {
        redirect(settings.dependencyResolutionManagement.repositories)
    }
}
// Before Gradle 6 nobody is told of settings until they are read.
if (org.gradle.util.GradleVersion.current() < org.gradle.util.GradleVersion.version('6.0')) gradle.settingsEvaluated(settle)
else gradle.beforeSettings(settle)
gradle.allprojects { project ->
    redirect(project.buildscript.repositories)
    redirect(project.repositories)
}
`;
}

/** A Groovy string in single quotes. */
function groovyText(text: string): string {
  return `'${text.replaceAll(/[\\'$]/g, (char) => `\\${char}`)}'`;
}
