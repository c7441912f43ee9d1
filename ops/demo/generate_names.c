/*
 * Names per culture for the demo data: lists of given and family names, one string each, parted
 * by '|'. Whole names only ever arise by drawing one from each list; nobody is meant.
 * Nothing here draws or formats: generate_person.c does.
 */
#include "generate.h"

static const char nl_given[] =
    "Aafke|Adriaan|Aleid|Anke|Annelies|Anouk|Arjen|Arne|Bart|Bas|Bavo|Bieke|Boudewijn|Bram|Britt|"
    "Carolien|Casper|Cato|Coen|Cornelis|Daan|Danique|Dieter|Dirk|Dorien|Edwin|Eefje|Elke|Els|Emiel|"
    "Evelien|Evert|Femke|Fien|Fleur|Floor|Floris|Freek|Frederik|Geert|Gerrit|Gijs|Griet|Guus|Hanne|"
    "Hannelore|Hans|Heleen|Hendrik|Hilde|Ilse|Ine|Inge|Jaap|Jan|Jasper|Jef|Jelle|Jeroen|Jesse|"
    "Jolien|Joost|Joris|Jos|Joke|Jurgen|Karel|Katrien|Kees|Klaas|Koen|Koenraad|Kobe|Lander|Lars|"
    "Leen|Lien|Lies|Lieselot|Lieve|Lotte|Luuk|Maaike|Maarten|Machteld|Marijke|Marloes|Matthijs|"
    "Merel|Mieke|Mies|Myrthe|Nele|Niels|Nienke|Noor|Pepijn|Pier|Piet|Pieter|Pim|Pleun|Reinhilde|"
    "Reinout|Renske|Rik|Roel|Roos|Ruben|Rutger|Sander|Sanne|Saskia|Sien|Silke|Sjoerd|Stef|Stijn|"
    "Suzanne|Sybren|Tess|Thijs|Tijl|Tine|Tineke|Toon|Veerle|Ward|Wendy|Wieke|Willem|Wim|Wouter|"
    "Yannick|Zoë|Anne-Marie|Jan-Willem|Noëlle|Daniëlle|Loïs";

static const char nl_family[] =
    "Aerts|Baert|Bakker|Beckers|Bekaert|Blom|Boers|Bogaert|Boonen|Bosmans|Bouwman|Brouwer|Bruggeman|"
    "Callens|Ceulemans|Christiaens|Claes|Claessens|Cools|Coppens|Cuypers|D'hondt|D'Hooghe|D'haene|"
    "Daems|De Backer|De Bock|De Clercq|De Cock|De Graef|De Groote|De Jonghe|De Keyser|De Meyer|"
    "De Pauw|De Ridder|De Smet|De Vos|De Wilde|De Wit|de Boer|de Bruijn|de Graaf|de Haan|de Jong|"
    "de Lange|de Vries|de Wit|Declercq|Dekker|Demeulenaere|Denys|Desmet|Dewulf|Dijkstra|Dockx|"
    "Engelen|Everaert|Geerts|Goossens|Goethals|Hendrickx|Hermans|Heylen|Hoekstra|Hofman|Huisman|"
    "Huybrechts|in 't Veld|Jacobs|Jansen|Janssens|Jonker|Kok|Koster|Kramer|Kuipers|Lambrechts|"
    "Lauwers|Leemans|Lemmens|Maas|Maes|Martens|Mertens|Meeus|Meijer|Michiels|Moens|Molenaar|Mulder|"
    "Nijs|Op de Beeck|Pauwels|Peeters|Pieters|Postma|Prins|Raes|Roels|Rombouts|Ruiter|Schepers|"
    "Schouten|Segers|Sels|Simons|Smeets|Smulders|Stevens|Stoop|'t Hart|'t Hooft|ten Brink|ter Horst|"
    "Thijs|Thys|Timmermans|Uytterhoeven|van Beek|van Dam|van den Berg|van den Heuvel|van der Linden|"
    "van der Meer|van der Veen|van Dijk|van Doorn|van Leeuwen|van 't Hof|van Vliet|Van Acker|"
    "Van Damme|Van de Velde|Van de Walle|Van den Bossche|Van den Broeck|Van der Auwera|Van Dyck|"
    "Van Hecke|Van Hoof|Van Looy|Vandenberghe|Vandeputte|Vanhoutte|Verbeke|Verbruggen|Verhaeghe|"
    "Verhoeven|Vermeulen|Verstraete|Visser|Vos|Wauters|Willems|Wouters|Wuyts|Zeeman|Zwart|"
    "Boëlens|Daniëls|Ruÿs";

static const char fr_given[] =
    "Adélaïde|Adèle|Adrien|Agathe|Agnès|Alexis|Alice|Aline|Amandine|Amélie|Anaïs|André|Antoine|"
    "Apolline|Arnaud|Arthur|Aude|Audrey|Aurélie|Aurélien|Baptiste|Bastien|Benoît|Bérénice|Blandine|"
    "Brigitte|Camille|Capucine|Cécile|Cédric|Céleste|Céline|Chloé|Christelle|Claire|Clémence|"
    "Clément|Clotilde|Coralie|Corentin|Cyril|Damien|Daphné|Delphine|Didier|Dorothée|Édith|Édouard|"
    "Élise|Élodie|Éloïse|Émeline|Émile|Émilie|Estelle|Étienne|Eugénie|Fabien|Fabrice|Félix|Firmin|"
    "Florence|Florent|François|Françoise|Frédéric|Gaël|Gaëlle|Gaspard|Gauthier|Geneviève|Germain|"
    "Ghislain|Gilles|Grégoire|Guillaume|Gwenaëlle|Hélène|Héloïse|Hervé|Hortense|Hugo|Inès|Irène|"
    "Jacques|Jean|Jérémie|Jérôme|Joël|Joëlle|Josiane|Jules|Julie|Juliette|Justine|Laëtitia|Laure|"
    "Laurent|Léa|Léon|Léonie|Loïc|Lucie|Ludovic|Maëlle|Manon|Margaux|Marguerite|Marie|Marion|Mathieu|"
    "Mathilde|Maxime|Mélanie|Mireille|Morgane|Nathalie|Nicolas|Noémie|Océane|Odile|Olivier|Ombeline|"
    "Pascal|Pascale|Pauline|Philippe|Pierre|Quentin|Rémi|Renaud|Romain|Rose|Sabine|Salomé|Sébastien|"
    "Sidonie|Simon|Solène|Sophie|Stéphane|Sylvain|Tanguy|Théo|Thérèse|Thibault|Timothée|Valentin|"
    "Véronique|Vincent|Violaine|Xavier|Yves|Zélie";

static const char fr_family[] =
    "Adam|Allard|Arnould|Aubert|Aubry|Bailly|Barbier|Baudouin|Béranger|Berger|Bernard|Bertrand|"
    "Besson|Blanchard|Bodart|Boucher|Boulanger|Bourgeois|Boutin|Brasseur|Brunet|Caron|Carpentier|"
    "Chapelle|Charlier|Charpentier|Chevalier|Clément|Colin|Collard|Collignon|Cordier|Courtois|"
    "Couturier|d'Aubigny|d'Hautcourt|D'Orazio|Dantinne|David|de la Barre|de la Croix|de la Fontaine|"
    "de Montigny|Debruyne|Defossez|Delacroix|Delattre|Delaunay|Delcourt|Delhaye|Delmas|Delvaux|"
    "Demoulin|Denis|Deschamps|Descamps|Desjardins|Detry|Dhaussy|Drouet|du Bois|Dubois|Duchêne|"
    "Dufour|Dumont|Dumoulin|Dupont|Dupuis|Durand|Duval|Étienne|Évrard|Fabre|Faure|Fauvel|Ferrand|"
    "Fontaine|Fournier|François|Gaillard|Garnier|Gaspard|Gauthier|Gérard|Germain|Gilbert|Gillet|"
    "Gilson|Girard|Godart|Grégoire|Grosjean|Guérin|Guillaume|Hallet|Hamelin|Henrard|Henry|Hubert|"
    "Humbert|Jacquemin|Jacquet|Joly|L'Hoest|L'Hermite|Lacroix|Lambert|Lambot|Laurent|Le Goff|Le Roux|"
    "Lebrun|Leclercq|Lecocq|Lefèvre|Legrand|Lejeune|Lemaire|Lemoine|Lenoir|Leroy|Lesage|Lhoir|"
    "Libert|Louis|Maréchal|Marchal|Martin|Massart|Mathieu|Mercier|Meunier|Michaux|Michel|Moreau|"
    "Morel|Nicolas|Noël|Olivier|Paquet|Paris|Pasquier|Perrin|Petit|Philippart|Picard|Pirard|Pirotte|"
    "Poncelet|Prévost|Raymond|Renard|Renaud|Rivière|Robert|Roche|Rousseau|Roussel|Saint-Georges|"
    "Simonet|Thibaut|Thiry|Toussaint|Tréfois|Vasseur|Vidal|Villers|Vincent|Warnier|Wathelet";

static const char de_given[] =
    "Achim|Adelheid|Albrecht|Andrea|Anja|Anke|Anneliese|Antje|Antonia|Armin|Arndt|Astrid|Axel|"
    "Bärbel|Beate|Benedikt|Bernd|Bettina|Birgit|Björn|Britta|Burkhard|Carsten|Christiane|Christoph|"
    "Clara|Claudia|Clemens|Cornelia|Detlef|Dieter|Dietrich|Dorothea|Eberhard|Eckart|Elfriede|Elke|"
    "Elsbeth|Erik|Ernst|Fabian|Felix|Finn|Florian|Franziska|Frauke|Friederike|Friedrich|Gabriele|"
    "Georg|Gerda|Gerhard|Gisela|Götz|Gregor|Greta|Gudrun|Günter|Hannah|Hannes|Hartmut|Hedwig|Heike|"
    "Heiner|Heinrich|Helene|Helga|Helmut|Henning|Hildegard|Holger|Horst|Ida|Ingo|Ingrid|Irmgard|"
    "Jakob|Jana|Joachim|Jochen|Johanna|Jörg|Josefine|Julian|Jürgen|Jutta|Kai|Karin|Karl|Käthe|Katja|"
    "Katrin|Kerstin|Kilian|Klara|Klaus|Konrad|Konstantin|Kurt|Lara|Lennart|Leonhard|Liesel|Lothar|"
    "Ludwig|Luise|Magdalena|Manfred|Mareike|Margarete|Markus|Matthias|Mechthild|Merle|Moritz|Nadja|"
    "Norbert|Olaf|Ottilie|Otto|Paula|Petra|Philipp|Rainer|Ralf|Reinhold|Renate|Rolf|Rosemarie|"
    "Rüdiger|Sabine|Saskia|Silke|Sönke|Stefan|Susanne|Svenja|Swantje|Thorsten|Tilman|Torben|Traudel|"
    "Ulrich|Ulrike|Ursula|Uwe|Veit|Verena|Volker|Walburga|Werner|Wiebke|Winfried|Wolfgang|Zacharias";

static const char de_family[] =
    "Achleitner|Ackermann|Albrecht|Aigner|Arnold|Auer|Bachmann|Bauer|Baumann|Baumgartner|Beck|Becker|"
    "Berger|Bergmann|Böhm|Brandt|Braun|Brunner|Buchner|Busch|Dietrich|Dörfler|Ebner|Eckert|Eder|"
    "Egger|Engelhardt|Ernst|Esser|Fink|Fischer|Förster|Frank|Freitag|Friedrich|Fuchs|Gasser|Geißler|"
    "Gerlach|Götz|Graf|Groß|Gruber|Günther|Haas|Hahn|Hartmann|Hauser|Heidenreich|Heinz|Hensel|"
    "Herrmann|Heß|Hinterberger|Hofbauer|Hofer|Hoffmann|Höfler|Horn|Huber|Jäger|Jahn|Jansen|Jung|"
    "Kaiser|Karl|Keller|Kirchner|Klein|Klinger|Knoll|Koch|Kofler|Köhler|König|Krämer|Kraus|Krüger|"
    "Kühn|Lang|Lehmann|Lehner|Leitner|Lindner|Lorenz|Ludwig|Maier|Marx|Maurer|Mayr|Meier|Meyer|"
    "Möller|Moser|Müller|Nagel|Neumann|Nowak|Oberhauser|Ott|Otto|Paulsen|Peters|Pfeiffer|Pichler|"
    "Pohl|Reinhardt|Reiter|Richter|Riedl|Roth|Rüttgers|Sauer|Schäfer|Schenk|Scherer|Schilling|"
    "Schlögl|Schmid|Schmidt|Schneider|Scholz|Schöne|Schreiber|Schröder|Schubert|Schulz|Schumacher|"
    "Schuster|Schwaiger|Schwarz|Seidel|Simon|Sommer|Stadler|Stein|Steiner|Stöckl|Strobl|Thalhammer|"
    "Thoma|Ulrich|Unger|Vogel|Vogt|von Arnsberg|von der Heide|von Kranach|Voß|Wagner|Walter|Weber|"
    "Weiß|Werner|Wieser|Wimmer|Winkler|Winter|Wolff|Wöhrl|zu Lindenau|Zauner|Ziegler|Zimmermann";

static const char it_given[] =
    "Ada|Agnese|Alberto|Alessandra|Alessandro|Alessia|Alfredo|Alice|Amedeo|Andrea|Angela|Angelo|"
    "Anna|Antonella|Antonio|Arianna|Armando|Arturo|Asia|Aurora|Barbara|Beatrice|Benedetta|Bianca|"
    "Bruno|Camilla|Carla|Carlo|Carmela|Caterina|Cecilia|Celeste|Chiara|Claudio|Corrado|Costanza|"
    "Cristiano|Cristina|Daniela|Daniele|Dario|Davide|Debora|Diego|Domenico|Donatella|Edoardo|Elena|"
    "Eleonora|Elia|Elisa|Emanuele|Emma|Enrico|Enzo|Ettore|Eugenio|Fabio|Fabrizio|Federica|Federico|"
    "Filippo|Flavia|Francesca|Francesco|Franco|Gabriele|Gaia|Gaetano|Gennaro|Giacomo|Gianluca|"
    "Gianni|Ginevra|Gioia|Giorgia|Giorgio|Giovanna|Giovanni|Giulia|Giulio|Giuseppe|Gloria|Grazia|"
    "Greta|Guido|Ilaria|Irene|Ivano|Jacopo|Lara|Laura|Lavinia|Leonardo|Letizia|Lidia|Livia|Lorenzo|"
    "Luca|Lucia|Luigi|Maddalena|Manuela|Marcello|Marco|Margherita|Maria|Mariangela|Marina|Mario|"
    "Marta|Martina|Massimo|Matilde|Matteo|Maurizio|Mauro|Michela|Michele|Mirko|Monica|Nadia|Niccolò|"
    "Nicola|Noemi|Nunzia|Oriana|Ornella|Osvaldo|Ottavia|Paola|Paolo|Patrizia|Piero|Pietro|Raffaele|"
    "Renata|Riccardo|Rita|Roberta|Rocco|Rosa|Salvatore|Sara|Serena|Silvia|Simone|Sofia|Stefano|"
    "Teresa|Tommaso|Umberto|Valentina|Valerio|Vincenzo|Viola|Vittoria|Zeno";

static const char it_family[] =
    "Amato|Angelini|Antonelli|Barbieri|Barone|Basile|Battaglia|Bellini|Benedetti|Bernardi|Bertolini|"
    "Bianchi|Bianco|Bonetti|Bonomi|Bruni|Bruno|Caputo|Carbone|Caruso|Castelli|Cattaneo|Cavalli|"
    "Ceccarelli|Cirillo|Colombo|Conte|Conti|Coppola|Cortese|Costa|Costantini|D'Agostino|D'Alessio|"
    "D'Amico|D'Andrea|D'Angelo|D'Antonio|D'Ercole|Dalla Costa|Dal Pozzo|De Angelis|De Luca|De Marchi|"
    "De Rosa|De Santis|De Simone|Degl'Innocenti|Del Monte|Dell'Acqua|Dell'Orto|Della Torre|Di Lorenzo|"
    "Di Marco|Di Stefano|Donati|Esposito|Fabbri|Farina|Fava|Ferrara|Ferrari|Ferraro|Ferretti|"
    "Ferri|Fiore|Fiorentini|Fontana|Fumagalli|Fusco|Galli|Gallo|Garofalo|Gatti|Gentile|Giordano|"
    "Giuliani|Grassi|Grasso|Greco|Grimaldi|Guerra|Guidi|La Rocca|Leone|Lo Presti|Lombardi|Lombardo|"
    "Longo|Lorusso|Maggi|Mancini|Manfredi|Marchesi|Marchetti|Mariani|Marinelli|Marini|Marino|Martinelli|"
    "Martini|Mazza|Mazzola|Melis|Messina|Milani|Molinari|Montanari|Monti|Morelli|Moretti|Moroni|"
    "Motta|Napolitano|Negri|Neri|Nicolò|Olivieri|Orlando|Pace|Pagani|Pagano|Palmieri|Palumbo|"
    "Parisi|Pasquini|Pellegrini|Perrone|Piazza|Pinna|Piras|Poli|Pozzi|Ricci|Rinaldi|Riva|Rizzi|"
    "Rizzo|Romano|Rossetti|Rossi|Ruggeri|Russo|Sala|Sanna|Santini|Santoro|Sartori|Serra|Silvestri|"
    "Sorrentino|Testa|Tosi|Valentini|Villa|Vitale|Vitali|Zanetti|Zanella";

static const char es_given[] =
    "Adrián|Agustín|Ainhoa|Alba|Alejandra|Alejandro|Alicia|Álvaro|Amparo|Ana|Andrea|Andrés|Ángel|"
    "Ángela|Antonia|Antonio|Aránzazu|Aurelio|Azucena|Beatriz|Belén|Benito|Bernardo|Blanca|Borja|"
    "Bruno|Candela|Carla|Carlos|Carmen|Carolina|Catalina|Cayetana|César|Clara|Concepción|Consuelo|"
    "Cristina|Cristóbal|Daniel|David|Diego|Dolores|Domingo|Elena|Elías|Elvira|Emilio|Encarnación|"
    "Enrique|Esperanza|Esteban|Estefanía|Ester|Eulalia|Eva|Fátima|Federico|Felipe|Fernando|Fermín|"
    "Francisco|Gabriela|Gemma|Gonzalo|Gregorio|Guadalupe|Guillermo|Héctor|Hugo|Ignacio|Inés|Inmaculada|"
    "Irene|Isabel|Iván|Jacinto|Jaime|Javier|Jesús|Jimena|Joaquín|Jordi|Jorge|José|Josefa|Juan|Juana|"
    "Julia|Julián|Laia|Laura|Leandro|Leonor|Lorena|Lourdes|Lucía|Luis|Luisa|Macarena|Magdalena|"
    "Manuel|Marcos|Margarita|María|Marina|Mario|Marta|Martín|Mateo|Matilde|Mercedes|Mercè|Miguel|"
    "Mónica|Montserrat|Natalia|Nicolás|Noelia|Nuria|Óscar|Pablo|Paloma|Paula|Pedro|Pilar|Rafael|"
    "Ramón|Raquel|Raúl|Remedios|Ricardo|Rocío|Rodrigo|Rosario|Rubén|Salvador|Santiago|Sergio|Silvia|"
    "Sofía|Soledad|Teresa|Tomás|Valentina|Verónica|Vicente|Víctor|Violeta|Ximena|Yolanda";

static const char es_family[] =
    "Acosta|Aguilar|Aguilera|Alarcón|Alonso|Álvarez|Aparicio|Aranda|Arias|Ávila|Ballesteros|Barrios|"
    "Bautista|Benítez|Bermúdez|Blanco|Bosch|Bravo|Caballero|Cabrera|Calvo|Campos|Cano|Carmona|"
    "Carrasco|Casado|Castaño|Castillo|Castro|Cepeda|Conde|Contreras|Corbacho|Cordero|Cortés|Crespo|"
    "Cruz|Cuesta|de la Cruz|de la Fuente|de la Torre|de la Vega|de los Ríos|del Campo|del Olmo|"
    "del Río|Delgado|Díaz|Díez|Domènech|Domínguez|Duarte|Durán|Escudero|Espinosa|Esteban|Estévez|"
    "Fernández|Ferrer|Flores|Font|Franco|Fuentes|Gallardo|Gallego|Galván|García|Garrido|Gil|Giménez|"
    "Gómez|González|Guerrero|Gutiérrez|Heredia|Hernández|Herrera|Herrero|Hidalgo|Ibáñez|Iglesias|"
    "Izquierdo|Jiménez|Lara|León|López|Lorenzo|Lozano|Luque|Manzano|Marín|Márquez|Martí|Martín|"
    "Martínez|Mateo|Medina|Méndez|Merino|Mora|Morales|Moreno|Moya|Muñoz|Navarro|Nieto|Núñez|Olivares|"
    "Ordóñez|Ortega|Ortiz|Pacheco|Palacios|Pardo|Parra|Pascual|Pastor|Peña|Perea|Pérez|Pineda|Plaza|"
    "Prieto|Puig|Quintana|Ramírez|Ramos|Redondo|Reyes|Rivas|Rivera|Robles|Roca|Rodríguez|Rojas|"
    "Román|Romero|Roldán|Rubio|Rueda|Ruiz|Sáez|Salas|Salazar|Sánchez|Santana|Santos|Sanz|Serra|"
    "Serrano|Sierra|Soler|Soria|Soto|Suárez|Tapia|Toledo|Torres|Trujillo|Valero|Vargas|Vázquez|Vega|"
    "Velasco|Vicente|Vidal|Villalba|Yáñez|Zamora";

static const char eu_given[] =
    "Aitor|Ainara|Ainhoa|Aitziber|Alaitz|Amaia|Ander|Andoni|Ane|Aratz|Arantxa|Asier|Beñat|Eider|"
    "Eñaut|Eneko|Enara|Garazi|Garikoitz|Gorka|Haizea|Harkaitz|Ibai|Idoia|Iker|Imanol|Iñaki|Iñigo|"
    "Irati|Itziar|Izaro|Jokin|Jon|Josune|Joseba|Julen|Kepa|Koldo|Lander|Leire|Lide|Maddi|Maialen|"
    "Maite|Mattin|Miren|Mikel|Nagore|Naiara|Nekane|Oihane|Oier|Olatz|Patxi|Uxue|Unai|Xabier|Zuriñe";

static const char eu_family[] =
    "Agirre|Aizpurua|Aldalur|Altuna|Amenabar|Arana|Aranburu|Aristegi|Arregi|Arrieta|Arrizabalaga|"
    "Artetxe|Azkarate|Azkue|Barandiaran|Beloki|Bengoetxea|Egaña|Eizagirre|Elizondo|Elortza|Errasti|"
    "Etxaniz|Etxeberria|Etxegarai|Gabilondo|Galarraga|Garmendia|Goikoetxea|Goñi|Ibarguren|Ibarra|"
    "Illarramendi|Intxausti|Iparragirre|Iraola|Iriarte|Irigoien|Iturralde|Jauregi|Kortabarria|"
    "Larrañaga|Lasa|Legarreta|Lekuona|Lizarraga|Mendizabal|Mujika|Muguruza|Odriozola|Olano|Olazabal|"
    "Ormaetxea|Otxoa|Oñederra|Sagastizabal|Sarasola|Uranga|Urkiola|Urretabizkaia|Urrutia|Zabala|"
    "Zabaleta|Zubeldia|Zubizarreta|Zulaika";

static const char hu_given[] =
    "Ábel|Ádám|Adrienn|Ágnes|Ágoston|Ákos|Albert|Alexandra|Alíz|Anasztázia|Andor|András|Andrea|"
    "Anikó|Anna|Antal|Anett|Árpád|Áron|Attila|Balázs|Bálint|Barbara|Barnabás|Beáta|Béla|Bence|"
    "Benedek|Bernadett|Bertalan|Boglárka|Botond|Borbála|Brigitta|Cecília|Csaba|Csenge|Csilla|Csongor|"
    "Dalma|Dániel|Dávid|Dénes|Dezső|Dóra|Dorottya|Edina|Edit|Elemér|Előd|Emese|Emőke|Endre|Enikő|Erika|"
    "Ernő|Erzsébet|Eszter|Etelka|Éva|Fanni|Ferenc|Flóra|Fruzsina|Gábor|Gellért|Gergely|Gergő|Géza|"
    "Gizella|György|Győző|Gyöngyi|Gyula|Hajnalka|Hanna|Hédi|Henrik|Hunor|Ibolya|Ildikó|Ilona|Imre|"
    "István|Iván|Izabella|Janka|János|Jenő|József|Judit|Júlia|Kálmán|Kamilla|Karola|Katalin|Kinga|"
    "Klára|Kornél|Kristóf|Krisztina|Laura|László|Lehel|Levente|Lilla|Lóránt|Lőrinc|Lujza|Magdolna|"
    "Márk|Márta|Márton|Máté|Mátyás|Melinda|Mihály|Miklós|Mónika|Nándor|Noémi|Nóra|Olivér|Orsolya|"
    "Ottó|Ödön|Örs|Pál|Panna|Péter|Piroska|Réka|Rita|Róbert|Rózsa|Rudolf|Sándor|Sára|Soma|Szabolcs|"
    "Szilárd|Szilvia|Tamara|Tamás|Tibor|Tihamér|Tímea|Tünde|Vanda|Vera|Viktória|Vilmos|Virág|"
    "Zita|Zoltán|Zsófia|Zsolt|Zsombor|Zsuzsanna";

static const char hu_family[] =
    "Almási|Antal|Ács|Ágoston|Bakó|Bálint|Balla|Balog|Balogh|Baranyai|Barta|Bartha|Bárány|Benkő|"
    "Bertók|Bíró|Bodnár|Bognár|Borbély|Boros|Bozsik|Budai|Czakó|Csernai|Cseke|Csiszár|Csonka|Csontos|"
    "Dankó|Deák|Demeter|Dobos|Dombi|Dömötör|Dudás|Egri|Erdei|Erdélyi|Erdős|Faragó|Farkas|Fazekas|"
    "Fehér|Fekete|Fenyvesi|Ferenczi|Fodor|Forgács|Fülöp|Füzesi|Gaál|Gál|Gáspár|Gergely|Gönczi|Gulyás|"
    "Győri|Hajdú|Halász|Halmai|Hegedűs|Hegyi|Herczeg|Hidas|Hornyák|Horváth|Illés|Jakab|Jámbor|Jónás|"
    "Juhász|Kádár|Kardos|Karsai|Katona|Kecskés|Kelemen|Kerekes|Kerényi|Király|Kis|Kiss|Kocsis|Komáromi|"
    "Koncz|Kormos|Kósa|Kovács|Kozma|Kökény|Kőműves|Köves|Krizsán|Kun|Lakatos|Lázár|Lengyel|Lovász|"
    "Lőrincz|Lukács|Madarász|Magyar|Major|Makai|Maróti|Máté|Mészáros|Mezei|Mohácsi|Molnár|Morvai|"
    "Nagy|Nemes|Németh|Novák|Nyári|Nyerges|Oláh|Orbán|Orosz|Orsós|Ónodi|Őri|Ötvös|Pál|Papp|Pásztor|Pataki|"
    "Péter|Pintér|Polgár|Pusztai|Rácz|Regős|Révész|Rózsa|Rónai|Sándor|Sárközi|Sebők|Sebestyén|Simon|"
    "Somogyi|Soós|Sötér|Süle|Szabó|Szalai|Szántó|Szatmári|Székely|Szekeres|Szendrei|Szentesi|Szép|"
    "Szigeti|Szilágyi|Szőke|Szűcs|Takács|Tamás|Tímár|Tóth|Török|Urbán|Ürmös|Vadász|Vajda|Varga|Vámos|"
    "Vas|Végh|Veres|Vida|Virág|Vörös|Zentai|Zsigmond";

static const char sv_given[] =
    "Agneta|Albin|Alexander|Alfred|Algot|Alva|Anders|Anette|Anna|Annika|Anton|Arvid|Axel|Åke|Åsa|"
    "Beata|Bengt|Bertil|Birgitta|Björn|Bo|Britt|Börje|Camilla|Carina|Carl|Cecilia|Charlotta|"
    "Christer|Dagny|Daniel|Ebba|Edvin|Elias|Elin|Ellen|Elsa|Emelie|Emil|Erik|Erika|Ester|Eva|"
    "Fredrik|Freja|Frida|Gabriella|Gösta|Göran|Greta|Gunilla|Gunnar|Gustav|Hanna|Hans|Harald|Hedda|"
    "Hedvig|Helena|Henrik|Hjalmar|Hugo|Håkan|Ida|Inga|Ingemar|Ingrid|Isak|Iris|Jan|Jenny|Jens|Jerker|"
    "Joakim|Johan|Johanna|Jonas|Josefin|Jörgen|Karin|Karl|Katarina|Kerstin|Kjell|Klara|Knut|Kristina|"
    "Lars|Leif|Lena|Lennart|Linnéa|Linus|Lisa|Lova|Lovisa|Ludvig|Magnus|Maja|Malin|Margareta|Maria|"
    "Marianne|Martin|Matilda|Mats|Mattias|Mikael|Moa|Måns|Märta|Nellie|Niklas|Nils|Olle|Olof|Oskar|"
    "Otto|Ove|Patrik|Pär|Per|Pernilla|Petra|Pontus|Ragnar|Rasmus|Rebecka|Robin|Rolf|Roger|Saga|Sanna|"
    "Selma|Signe|Siri|Sixten|Sofia|Staffan|Stellan|Stig|Stina|Sune|Susanne|Svante|Sven|Sören|Tage|"
    "Tilda|Torbjörn|Tore|Tove|Tuva|Tyra|Ulf|Ulla|Ulrika|Urban|Vendela|Viggo|Viktor|Vilma|Ylva|Örjan|"
    "Karl-Erik|Anna-Karin|Lars-Göran|Britt-Marie|Sven-Åke|Ann-Sofie|Per-Olof";

static const char sv_family[] =
    "Abrahamsson|Adolfsson|Ahlberg|Ahlström|Alm|Almgren|Andersson|Andreasson|Arvidsson|Axelsson|"
    "Bengtsson|Berg|Berggren|Berglund|Bergman|Bergqvist|Bergström|Björk|Björklund|Björkman|Blom|"
    "Blomberg|Blomqvist|Bodin|Bohlin|Boström|Byström|Borg|Carlsson|Claesson|Dahl|Dahlberg|Dahlgren|"
    "Dahlin|Danielsson|Edlund|Edström|Ek|Ekberg|Eklund|Ekman|Ekström|Eliasson|Engström|Eriksson|"
    "Falk|Forsberg|Forsgren|Forslund|Forsman|Franzén|Fransson|Fredriksson|Friberg|Gran|Grahn|"
    "Gunnarsson|Gustafsson|Göransson|Hagström|Hallberg|Hansson|Hedberg|Hedlund|Hedman|Hedström|"
    "Hellström|Henriksson|Hermansson|Holm|Holmberg|Holmgren|Holmqvist|Holmström|Håkansson|Högberg|"
    "Höglund|Isaksson|Jakobsson|Jansson|Johansson|Jonasson|Jonsson|Josefsson|Jönsson|Karlsson|Kjellberg|"
    "Kjellström|Klasson|Larsson|Lilja|Lind|Lindahl|Lindberg|Lindblom|Lindfors|Lindgren|Lindholm|"
    "Lindqvist|Lindroth|Lindström|Ljung|Ljungberg|Ljunggren|Löfgren|Löfqvist|Lund|Lundberg|Lundgren|"
    "Lundin|Lundqvist|Lundström|Magnusson|Malm|Malmberg|Mattsson|Melin|Moberg|Molin|Månsson|Mårtensson|"
    "Nilsson|Norberg|Nordin|Nordström|Norén|Norling|Nyberg|Nylund|Nyman|Nyström|Näslund|Ohlsson|"
    "Olofsson|Olsson|Ottosson|Palm|Palmqvist|Persson|Pettersson|Pålsson|Rosén|Rosenqvist|Rydberg|"
    "Samuelsson|Sandberg|Sandström|Sjöberg|Sjögren|Sjöström|Skoglund|Söderberg|Söderlund|Söderström|"
    "Stenberg|Ström|Strömberg|Sundberg|Sundin|Sundström|Svensson|Svärd|Törnqvist|Vesterlund|Viklund|"
    "Wallin|Westin|Wikström|Wallgren|Åberg|Åkesson|Åkerlund|Åström|Öberg|Öhman|Östlund|Östberg";

static const char other_given[] =
    "Abdel|Ahmet|Aïcha|Agnieszka|Amina|Amadou|Ayşe|Bashir|Beatriz|Bogdan|Çağla|Catarina|Dariusz|"
    "Elif|Emre|Fatou|Fatima|Gonçalo|Hassan|Ioana|Ivana|James|João|Kamila|Karim|Katarzyna|Khadija|"
    "Leïla|Łukasz|Mamadou|Marek|Mehmet|Mihai|Miloš|Mohamed|Monika|Nadia|Nasser|Olena|Omar|Oksana|"
    "Paweł|Rachid|Radu|Rania|Samira|Seán|Siobhán|Sofija|Sota|Tomasz|Tiago|Uğur|Vesna|Yasmina|Youssef|"
    "Zeynep|Željko|Zofia|Zuzana";

static const char other_family[] =
    "Abbas|Adeyemi|Almeida|Antić|Aydın|Bah|Benali|Bensaïd|Boateng|Bouazza|Brown|Camara|Çelik|Cissé|"
    "Clarke|da Costa|da Silva|Demir|Diallo|Diop|dos Santos|El Amrani|El Haddad|Ferreira|Georgescu|"
    "Gonçalves|Haddad|Ionescu|Jovanović|Kaya|Kowalczyk|Kovačević|Kravchenko|Lewandowski|Mbeki|"
    "Mansouri|Marković|Murphy|Ndiaye|Nguyễn|O'Brien|O'Connor|Okafor|Öztürk|Pavlenko|Pereira|Popescu|"
    "Popović|Sánta|Şahin|Shevchuk|Smith|Sow|Szymański|Taylor|Touré|Traoré|Wiśniewska|Wójcik|Yıldız|"
    "Zawadzki|Zieliński";

const struct culture_names culture_names[CULTURES] = {
    [CULTURE_NL] = {nl_given, nl_family},          [CULTURE_FR] = {fr_given, fr_family},
    [CULTURE_DE] = {de_given, de_family},          [CULTURE_IT] = {it_given, it_family},
    [CULTURE_ES] = {es_given, es_family},          [CULTURE_EU] = {eu_given, eu_family},
    [CULTURE_HU] = {hu_given, hu_family},          [CULTURE_SV] = {sv_given, sv_family},
    [CULTURE_OTHER] = {other_given, other_family},
};
